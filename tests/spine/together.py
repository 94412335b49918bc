"""Modules that are played as one engagement: a play takes seconds, and the records of one more module next to nothing.

Each keeps its records beside its tests, in its own `folder`; no id, address or name is another's of the same play.
"""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

from tests import folders

TOGETHER = (
    ("people_and_companies", "existing_rows", "consent", "iterable_objects"),
    ("hostile_values", "hostile_objects"),
)  # fmt: skip


def names(name: str) -> tuple[str, ...]:
    """The modules that are played with the one of this name, itself among them."""
    spine = (tuple(f"tests.spine.test_{one}" for one in together) for together in TOGETHER)
    return next((together for together in spine if name in together), (name,))


def wanted(modules: Sequence[ModuleType]) -> dict[str, Any]:
    """What they name of ASK, LEAVE, OPTIONS, DOCUMENTS and SANDBOX_ONLY, as `playing.play` takes it."""
    ask: dict[str, list[str]] = {}
    for one in modules:
        for object_name, ids in getattr(one, "ASK", {}).items():
            ask.setdefault(object_name, []).extend(ids)
    options = reduce(dict.__or__, (getattr(one, "OPTIONS", {}) for one in modules))
    return {
        "ask": ask,
        "leave": set.intersection(*(set(getattr(one, "LEAVE", ())) for one in modules)),
        "documents": any(getattr(one, "DOCUMENTS", False) for one in modules),
        "sandbox_only": all(getattr(one, "SANDBOX_ONLY", False) for one in modules),
        **options,
    }


def folder(path: Path, modules: Sequence[ModuleType]) -> Path:
    """What the folders of all hold, in one."""
    return folders.joined(path / "source", [one.folder(path / one.__name__) for one in modules])
