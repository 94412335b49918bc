"""JSON as sources really send it: what a strict parser refuses or bends is read as it was meant.

Half surrogate pairs are read, whole numbers keep all their digits, and a byte order mark says nothing; NaN and Infinity are not JSON.
"""

import json
import re
from codecs import BOM_UTF8
from contextlib import suppress
from typing import Any

import orjson

# Beyond 64 bits the fast parser makes a float of a whole number, and digits get lost.
_LONG_NUMBER = re.compile(rb"[0-9]{19}").search


def read(raw: bytes) -> Any:
    """The parsed document. Raises ValueError (UnicodeDecodeError where it isn't UTF-8) or RecursionError."""
    raw = raw.removeprefix(BOM_UTF8)
    exact = _LONG_NUMBER(raw) is not None
    if not exact:
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(raw)
    try:
        return json.loads(raw.decode("utf-8", "surrogatepass"), parse_constant=_not_json)
    except UnicodeDecodeError:
        raise
    except ValueError:
        if exact:  # a number of thousands of digits, which Python won't read: better a rounded one than none
            return orjson.loads(raw)
        raise


def write(value: Any) -> bytes:
    """The value as one line of JSON that `read` gives back."""
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _not_json(word: str) -> None:
    raise ValueError(word)
