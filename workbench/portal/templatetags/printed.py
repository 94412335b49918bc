"""Cells of documents as HTML; every text in them is escaped."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def cell(value: str | Mapping[str, Any]) -> str | SafeString:
    """A value of a table or a list as `reports.printout` tells it: text, {code}, {page, anchor}, {main, below} or {words, tone, below}."""
    if isinstance(value, str):
        return value
    if "code" in value:
        return format_html('<span class="mono">{}</span>', value["code"])
    if "anchor" in value:
        return format_html('<a href="?page={}#{}">{}</a>', value["page"], value["anchor"], value["page"])
    first = format_html('<span class="badge {}">{}</span>', value["tone"], value["words"]) if "tone" in value else value["main"]
    return format_html('{}<br><span class="muted small">{}</span>', first, value["below"]) if value["below"] else first
