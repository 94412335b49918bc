"""Modules that are played as one engagement: a play takes seconds, and the records of one more module next to nothing.

Each keeps its records beside its tests, in its own `folder`; no id, address or name is another's of the same play. Modules that go on
from one point of an engagement which is put back for each have one folder.
"""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

from tests import folders

TOGETHER = (
    ("people_and_companies", "existing_rows", "consent", "iterable_objects", "iterable_selling"),
    ("hostile_values", "hostile_objects"),
    ("purchasing_leads", "money_decimals", "placeholders", "second_run", "objects_again"),
    ("held_records", "changed_answers"),
    ("load_engine", "rough_service", "control", "nodes", "kills"),
    ("sample", "sample_again"),
    ("rule_previews", "sums"),
    ("leaving", "meanwhile", "delta"),
    ("rehearsal", "exceptions_desk"),
    ("late_lookups", "files", "lost_deals"),
    ("scans", "verification", "opting_out", "links"),
)  # fmt: skip


def names(name: str) -> tuple[str, ...]:
    """The modules that are played with the one of this name, itself among them."""
    spine = (tuple(f"tests.spine.test_{one}" for one in together) for together in TOGETHER)
    return next((together for together in spine if name in together), (name,))


def ask(modules: Sequence[ModuleType]) -> dict[str, list[str]]:
    """The ids that they ASK for."""
    asked: dict[str, list[str]] = {}
    for one in modules:
        for object_name, ids in getattr(one, "ASK", {}).items():
            asked.setdefault(object_name, []).extend(ids)
    return asked


def leave(modules: Sequence[ModuleType]) -> set[str]:
    """The objects that all of them LEAVE."""
    return set.intersection(*(set(getattr(one, "LEAVE", ())) for one in modules))


def options(modules: Sequence[ModuleType]) -> dict[str, Any]:
    """The OPTIONS of the engagement."""
    return reduce(dict.__or__, (getattr(one, "OPTIONS", {}) for one in modules))


def folder(path: Path, modules: Sequence[ModuleType]) -> Path:
    """What the folders of all hold, in one."""
    return folders.joined(path / "source", [one.folder(path / one.__name__) for one in modules])
