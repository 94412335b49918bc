"""What a rollback does with one row of a load."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loads.reasons import reason
from loads.staged import StagedRow

REMOVE, RESTORE, KEEP = "remove", "restore", "keep"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row's, as a rollback's file keeps it; see staged.STAGED."""

    row: StagedRow
    action: str
    values: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None
    etag: str | None = None

    @classmethod
    def keep(cls, row: StagedRow, code: str, detail: str = "") -> "Verdict":
        """The row stays as it is."""
        return cls(row, KEEP, reason(code, detail=detail))
