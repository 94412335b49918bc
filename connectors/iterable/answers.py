"""Iterable's JSON answers, opened with care."""

from collections.abc import Mapping
from typing import Any, BinaryIO

import requests

from connectors import rawjson
from workbench.engagements.errors import Retryable

_A_PAGE = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")


class StrangeAnswer(Retryable):
    """An answer with the right status that isn't what the API describes."""

    remedy = "Resume; if it stays, check whether a proxy answers in Iterable's place, then ask Iterable's support."


def opened(response: requests.Response, key: str, kind: type = list) -> Any:
    """What stands under `key` in an answer. Raises StrangeAnswer where it isn't of its kind."""
    return of_kind(page(response, key), key, kind)


def of_kind(answer: Mapping[str, Any], key: str, kind: type = list) -> Any:
    """What an answer has under `key`. Raises StrangeAnswer where it isn't of its kind."""
    if not isinstance(answer[key], kind):
        raise StrangeAnswer(f"What an answer of Iterable calls {key} is no {kind.__name__}.")
    return answer[key]


def is_number(value: Any) -> bool:
    """Whether a value is a whole number, as the ids that calls take are."""
    return type(value) is int


def page(response: requests.Response, *keys: str, under: str = "") -> dict[str, Any]:
    """A whole answer, or what stands `under` a key of it, that has these keys. Raises StrangeAnswer."""
    try:
        parsed = rawjson.read(response.content)
    except (ValueError, RecursionError):
        parsed = None
    if under and isinstance(parsed, dict):
        parsed = parsed.get(under)
    if not isinstance(parsed, dict) or not all(key in parsed for key in keys):
        raise StrangeAnswer(f"An answer of Iterable has no {' and '.join(keys)}.")
    return parsed


def no_page(content: BinaryIO, what: str) -> BinaryIO:
    """A download at its start. Raises StrangeAnswer where it is a web page, whose lines would pass for records.

    Whoever answers in Iterable's place may well say 200.
    """
    start = content.read(1_000).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    content.seek(0)
    if start.startswith(_A_PAGE):
        content.close()
        raise StrangeAnswer(f"{what} is a web page.")
    return content
