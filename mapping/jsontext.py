"""Text of any value that a source can send, as JSON or as it stands; never raises.

orjson refuses what lies outside its own limits (numbers over 64 bits, half surrogate pairs, 254 levels), the standard encoder what lies
outside the interpreter's stack; the last resort walks with a stack of its own.
"""

import json
from collections.abc import Iterator
from typing import Any

import orjson


def json_text(value: Any) -> str:
    """Compact JSON of a value, keys in the order they came."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, RecursionError):
        pass
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return "".join(_walk(value))


def plain_text(value: Any) -> str:
    """A value as a person would write it: text as it is, JSON for all else."""
    return value if isinstance(value, str) else json_text(value)


def _walk(value: Any) -> Iterator[str]:
    """Pieces of JSON text, depth first, on a stack of our own. A piece is text to write; anything else is still to be taken apart."""
    stack: list[tuple[bool, Any]] = [(False, value)]
    while stack:
        ready, item = stack.pop()
        if ready:
            yield item
        elif isinstance(item, (list, tuple)):
            stack.extend(reversed(_pieces("[", [[(False, part)] for part in item], "]")))
        elif isinstance(item, dict):
            entries = [[(True, _scalar(str(key)) + ":"), (False, part)] for key, part in item.items()]
            stack.extend(reversed(_pieces("{", entries, "}")))
        else:
            yield _scalar(item)


def _pieces(opening: str, entries: list[list[tuple[bool, Any]]], closing: str) -> list[tuple[bool, Any]]:
    pieces: list[tuple[bool, Any]] = [(True, opening)]
    for number, entry in enumerate(entries):
        pieces += ([(True, ",")] if number else []) + entry
    return [*pieces, (True, closing)]


def _scalar(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 12_000:
        return hex(value)  # the interpreter refuses to write decimal numbers of more than 4,300 digits
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return json.dumps(repr(value), ensure_ascii=False)
