"""Iterable's JSON answers, opened with care."""

from typing import Any

import requests

from connectors import rawjson
from workbench.engagements.errors import Retryable


class StrangeAnswer(Retryable):
    """An answer with the right status that isn't what the API describes."""

    remedy = "Resume; if it stays, check whether a proxy answers in Iterable's place, then ask Iterable's support."


def opened(response: requests.Response, key: str) -> Any:
    """What stands under `key` in an answer. Raises StrangeAnswer."""
    return page(response, key)[key]


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
