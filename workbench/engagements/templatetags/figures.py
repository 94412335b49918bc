"""Figures and values in pages."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import template

from workbench.engagements.models import Role

register = template.Library()
SHOWN_AT_MOST = 200


@register.filter
def thousands(value: Any) -> str:
    """1234567 as 1,234,567; nothing as a dash."""
    if value is None or value == "":
        return "–"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


@register.filter
def amount(text: str) -> str:
    """An amount of money, kept as text, with thousands and at least two decimals: 1,234.50; nothing as 0."""
    number = Decimal(text)
    return f"{number:,.{max(2, -int(number.as_tuple().exponent))}f}" if number else "0"


@register.filter
def percent(share: float | None) -> str:
    """A share in percent; a dash where there is nothing to divide by."""
    return "–" if share is None or share == "" else f"{100 * share:.1f} %"


@register.filter
def shown(value: Any) -> str:
    """A JSON value as a person reads it: text as it is, blank written out, anything else as JSON; cut where it would fill the page."""
    if value is None:
        return "(empty)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    if not text.strip():
        return "(blank)"
    return text if len(text) <= SHOWN_AT_MOST else f"{text[:SHOWN_AT_MOST]}… ({len(text):,} characters)"


@register.filter
def entry(mapping: Mapping[Any, Any], key: Any) -> Any:
    """The value of a key that a template holds in a variable."""
    return mapping.get(key) if isinstance(mapping, Mapping) else None


@register.filter
def role_label(value: str) -> str:
    """A role as people read it."""
    return str(Role(value).label) if value in Role.values else value
