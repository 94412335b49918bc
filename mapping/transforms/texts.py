"""Text into columns: control characters, broken characters, line breaks and lengths; e-mail, phone, address and JSON."""

import re
from collections.abc import Callable
from typing import Any

from mapping.identity import normalise_email
from mapping.issues import Issue, brief
from mapping.jsontext import json_text, plain_text
from mapping.transforms.base import EMPTY, Mapped, Target, Transform, lost

STRING_LIMIT = 4_000
MEMO_LIMIT = 1_048_576

# C0 but tab, line feed and carriage return, DEL, C1 but NEL, and the two code points that XML knows as no characters (*assumed* refused).
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
SURROGATE = re.compile("[\ud800-\udfff]")
BREAKS = re.compile("(?:\r\n|[\t\n\r\x85\u2028\u2029])+")
SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*):(?!\d)")


def utf16_length(text: str) -> int:
    """Length as the service counts it, in UTF-16 code units (*assumed*: the service is written in .NET)."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """The longest beginning of at most `limit` UTF-16 code units; a pair is never halved."""
    if len(text) * 2 <= limit or utf16_length(text) <= limit:
        return text
    if text.isascii():
        return text[:limit]
    return text.encode("utf-16-le", "surrogatepass")[: limit * 2].decode("utf-16-le", "ignore")


def clean(text: str, field: str) -> tuple[str, tuple[Issue, ...]]:
    """Text without control characters and lone surrogates, and what was done to it; tabs and line breaks stay."""
    if text.isascii() and text.isprintable():
        return text, ()
    issues: tuple[Issue, ...] = ()
    text, removed = CONTROL.subn("", text)
    if removed:
        issues = (Issue("text.control_characters", field, f"{removed} removed", "loss"),)
    text, broken = SURROGATE.subn("\ufffd", text)
    if broken:
        issues += (Issue("text.lone_surrogates", field, f"{broken} replaced", "loss"),)
    return text, issues


def whole_text(value: Any) -> str:
    """A value as the text that a memo column keeps for people: clean, complete, JSON for structures."""
    return clean(plain_text(value), "")[0]


def compile_memo(target: Target) -> Transform:
    """Long text: line breaks and outer spaces stay as they are."""
    return _compile_text(target, lambda text: (text, False), target.column.max_length or MEMO_LIMIT)


def compile_text(target: Target) -> Transform:
    """Single-line text: line breaks become spaces; outer spaces go unless `trim` is false."""
    trim = bool(target.options.get("trim", True))

    def one_line(text: str) -> tuple[str, bool]:
        if text.isprintable():
            return (text.strip() if trim else text), False
        flat, breaks = BREAKS.subn(" ", text.strip() if trim else text)
        return flat, bool(breaks)

    return _compile_text(target, one_line, target.column.max_length or STRING_LIMIT)


def _compile_text(target: Target, shape: Callable[[str], tuple[str, bool]], limit: int) -> Transform:
    field = target.field

    def slow(value: Any) -> Mapped:
        """Everything but short, clean ASCII."""
        text, issues = clean(plain_text(value), field)
        shaped, broken = shape(text)
        if not shaped.strip():
            return Mapped(None, issues)
        if isinstance(value, (list, dict)):
            issues += (Issue("text.from_structure", field, brief(value), "note"),)
        if broken:
            issues += (Issue("text.line_breaks", field, "", "note"),)
        length = utf16_length(shaped)
        if length <= limit:
            return Mapped(shaped, issues)
        issues += (Issue("text.shortened", field, f"{length} of {limit}", "loss"),)
        return Mapped(cut(shaped, limit), issues, text)

    def transform(value: Any) -> Mapped:
        if value is None:
            return EMPTY
        if type(value) is str and len(value) <= limit and value.isascii() and value.isprintable():
            shaped = shape(value)[0]
            return Mapped(shaped) if shaped and not shaped.isspace() else EMPTY
        return slow(value)

    return transform


def compile_phone(target: Target) -> Transform:
    """A phone number as it was written, trimmed; a whole float (some exports turn numbers into floats) loses its '.0'."""
    as_text = compile_text(target)

    def transform(value: Any) -> Mapped:
        return as_text(int(value) if isinstance(value, float) and value.is_integer() else value)

    return transform


def compile_email(target: Target) -> Transform:
    """A further e-mail address, normalised; what is none is left out with its text kept."""
    field = target.field

    def transform(value: Any) -> Mapped:
        if value is None or (isinstance(value, str) and not value.strip()):
            return EMPTY
        address, issue = normalise_email(value)
        issues = () if issue is None else (Issue(issue.code, field, issue.detail, "loss"),)
        return Mapped(address, issues, whole_text(value) if address is None else None)

    return transform


def compile_url(target: Target) -> Transform:
    """A web address as it was written. None where it is none, or longer than the column: half an address leads elsewhere."""
    limit = target.column.max_length or STRING_LIMIT
    as_text = compile_text(target)

    def transform(value: Any) -> Mapped:
        mapped = as_text(value)
        if not isinstance(mapped.value, str):
            return mapped
        if mapped.whole is not None:
            return lost("url.too_long", target, f"more than {limit}", mapped.whole)
        if not isinstance(value, str) or not _is_web_address(mapped.value):
            return lost("url.unparseable", target, brief(value), whole_text(value))
        return mapped

    return transform


def _is_web_address(text: str) -> bool:
    scheme = SCHEME.match(text)
    if scheme and scheme[1].casefold() not in ("http", "https", "ftp"):
        return False
    return "." in text and not any(character.isspace() for character in text)


def compile_json(target: Target) -> Transform:
    """Any value as compact JSON text for a memo; text that is JSON already stays as it is where `text_as_is` is true."""
    field, limit = target.field, target.column.max_length or MEMO_LIMIT
    as_is = bool(target.options.get("text_as_is", False))

    def transform(value: Any) -> Mapped:
        if value is None:
            return EMPTY
        text, issues = clean(value if as_is and isinstance(value, str) else json_text(value), field)
        length = utf16_length(text)
        if length <= limit:
            return Mapped(text, issues)
        issues += (Issue("text.shortened", field, f"{length} of {limit}", "loss"),)
        return Mapped(cut(text, limit), issues, text)

    return transform
