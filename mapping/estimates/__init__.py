"""Declarative tables of what forecasts and estimates assume, read and checked once."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.engagements.errors import BadInput

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Size:
    """What one row of a table takes: bytes in database, log (where audited) and file storage, and requests.

    further_rows: rows beside it that the service makes for it, such as the parties of an activity.
    """

    database: int
    log: int
    file: int = 0
    requests: int = 1
    further_rows: int = 0


@dataclass(frozen=True, slots=True)
class Volume:
    """What the forecasts of storage and requests assume."""

    overhead: int
    character: int
    rows_a_second: int
    rows_per_call: int
    pool: int
    pool_per_licence: int
    pool_at_most: int
    default: Size
    tables: Mapping[str, Size]

    def size(self, table: str) -> Size:
        """The size of a table's rows."""
        return self.tables.get(table, self.default)


@lru_cache
def volume() -> Volume:
    """The assumptions about volume. Raises BadInput where the file has mistakes."""
    content = read_toml("volume")
    default = content.pop("default")
    tables = {name: _size(f"tables.{name}", {**default, **entry}) for name, entry in content.pop("tables").items()}
    figures = {part.name for part in fields(Volume)} - {"default", "tables"}
    if set(content) != figures:
        raise BadInput(f"volume.toml has other figures than {', '.join(sorted(figures))}.")
    return Volume(**content, default=_size("default", default), tables=tables)


def _size(where: str, entry: Mapping[str, Any]) -> Size:
    if unknown := set(entry) - {part.name for part in fields(Size)}:
        raise BadInput(f"volume.toml: {where} has unknown keys: {', '.join(sorted(unknown))}.")
    return Size(**entry)


def read_toml(name: str) -> dict[str, Any]:
    """A file of this folder."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
