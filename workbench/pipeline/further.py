"""Steps of higher layers: those say which function gives the parts of their step, and it is imported when a worker carries one out."""

from collections.abc import Callable
from typing import Any

from django.utils.module_loading import import_string

_parts: dict[str, str] = {}


def register(name: str, parts: str) -> None:
    """Give the parts of the steps of a name. parts: the dotted path of a function that takes the step."""
    _parts[name] = parts


def parts_of(name: str) -> Callable[[Any], Any]:
    """The function that gives the parts of such a step."""
    found: Callable[[Any], Any] = import_string(_parts[name])
    return found
