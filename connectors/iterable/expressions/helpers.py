"""The functions and names of Iterable's templates, read from helpers.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Helper:
    """A function: what it is for, and what a block of it makes of its first argument; see helpers.toml."""

    name: str
    family: str
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """Names that mean something by themselves; see helpers.toml."""

    alone: frozenset[str]
    profile: frozenset[str]
    live: frozenset[str]
    platform: frozenset[str]


@lru_cache
def helpers() -> Mapping[str, Helper]:
    """The known functions by name."""
    return {name: Helper(name, entry["family"], entry.get("inside", "")) for entry in _content()["helpers"] for name in entry["names"]}


@lru_cache
def words() -> Words:
    """The names that mean something by themselves."""
    return Words(**{kind: frozenset(names) for kind, names in _content()["words"].items()})


@lru_cache
def _content() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("helpers.toml").read_text(encoding="utf-8"))
