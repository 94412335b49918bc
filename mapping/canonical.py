"""One text per value (RFC 8785), so that a hash stands for what people signed or for what a source said."""

import re
from hashlib import sha1, sha256
from typing import Any

import orjson
import rfc8785

from mapping.jsontext import json_text
from workbench.engagements.errors import BadInput

# What orjson writes otherwise than RFC 8785: fractions and exponents, numbers beyond a double's digits, keys beyond ASCII (another order).
SAFE_INTEGER = 2**53 - 1


def canonical_json(value: Any) -> bytes:
    """The canonical JSON of a value that we made, such as a plan part. Raises BadInput for what RFC 8785 has no form for."""
    if _plain(value):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise BadInput(f"The value has no canonical form: {error}") from error


def part_hash(content: Any) -> str:
    """SHA-256 of a plan part's canonical JSON, in hex: what a signature covers."""
    return sha256(canonical_json(content)).hexdigest()


def record_bytes(record: Any) -> bytes:
    """The canonical JSON of a source's record; never raises.

    Whole numbers beyond 2**53, which RFC 8785 leaves out, keep all their digits: two records that differ only there must not become one.
    """
    if _plain(record):
        return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    try:
        return rfc8785.dumps(record)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError, TypeError, ValueError):
        return json_text(_sorted(record)).encode("utf-8", "surrogatepass")


def record_hash(record: Any) -> str:
    """SHA-1 of a record's canonical JSON, in hex."""
    return sha1(record_bytes(record), usedforsecurity=False).hexdigest()


_ASCII_KEY = re.compile(r"[\x20-\x7e]*").fullmatch


def _plain(value: Any, depth: int = 0) -> bool:
    """Whether orjson writes this value exactly as RFC 8785 wants it."""
    kind = type(value)
    if kind is str:
        return value.isascii() or _encodes(value)
    if kind is int:
        return -SAFE_INTEGER <= value <= SAFE_INTEGER
    if kind is dict:
        return depth < 100 and all(type(k) is str and _ASCII_KEY(k) and _plain(v, depth + 1) for k, v in value.items())
    if kind is list:
        return depth < 100 and all(_plain(v, depth + 1) for v in value)
    return value is None or kind is bool


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sorted(value: Any, depth: int = 0) -> Any:
    if depth > 200:
        return value
    if isinstance(value, dict):
        return {key: _sorted(value[key], depth + 1) for key in sorted(value, key=lambda k: str(k).encode("utf-16-be", "surrogatepass"))}
    return [_sorted(part, depth + 1) for part in value] if isinstance(value, list) else value
