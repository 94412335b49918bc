"""What a planned rollback will do, in figures: per phase and altogether, and how long it will take by the pace of the load."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loads.models import Phase, Run
from loads.progress import shown_seconds
from loads.reasons import explained
from loads.rollback.scope import Scope

ROWS_A_SECOND = 50.0  # where the load can't tell: a slow environment's pace
TELLING_S = 1.0  # a phase that lasted so long tells its own pace
ACTIONS = ("remove", "restore", "keep")


@dataclass(frozen=True, slots=True)
class Line:
    """One phase of a rollback as it is planned."""

    phase: Phase

    @property
    def counts(self) -> list[int]:
        """Rows to remove, to restore, to keep."""
        return [self.phase.outlook.get(name, 0) for name in ACTIONS]

    @property
    def followers(self) -> list[tuple[str, int]]:
        """Rows that the service made because of ours, by table: they go along."""
        return sorted(self.phase.outlook.get("followers", {}).items())

    @property
    def reasons(self) -> list[tuple[str, int, str]]:
        """Why rows are kept: code, rows, words."""
        return [(code, rows, explained(code)) for code, rows in sorted(self.phase.outlook.get("reasons", {}).items())]

    @property
    def samples(self) -> list[tuple[str, str, str]]:
        """A few kept rows: source id, code, detail."""
        return [(source_id, code, detail) for source_id, code, detail in self.phase.outlook.get("samples", ())]


def lines(run: Run) -> list[Line]:
    """The phases of a rollback in the order in which they are carried out."""
    return [Line(phase) for phase in run.phases.select_related("undoes").order_by("number")]


def seconds(found: Sequence[Line]) -> float:
    """How long it will take: each phase at the pace at which the load wrote it, or at the load's own over all."""
    undone = [line.phase.undoes for line in found if line.phase.undoes]
    spent = sum(phase.seconds for phase in undone)
    overall = sum(map(_written, undone)) / spent if spent else 0.0
    paces = {phase.pk: _written(phase) / phase.seconds for phase in undone if phase.seconds >= TELLING_S}
    return sum(
        sum(line.counts[:2]) / (paces.get(line.phase.undoes_id or 0) or overall or ROWS_A_SECOND) for line in found if sum(line.counts[:2])
    )


def _written(phase: Phase) -> int:
    return phase.created + phase.updated


def content(run: Run) -> dict[str, Any]:
    """A planned rollback as data: totals, phases, the tables that followers are of, and the forecast."""
    found = lines(run)
    followers = Counter[str]()
    for line in found:
        followers.update(dict(line.followers))
    takes = seconds(found)
    return {
        **{name: sum(line.counts[place] for line in found) for place, name in enumerate(ACTIONS)},
        "scope": Scope.of(run.scope).words(),
        "followers": dict(followers),
        "seconds": round(takes, 1),
        "takes": shown_seconds(max(1, takes)),
        "phases": [
            {
                "number": line.phase.number, "object": line.phase.object_name, "table": line.phase.table, "kind": line.phase.kind,
                **dict(zip(ACTIONS, line.counts, strict=True)), **{key: line.phase.outlook.get(key) for key in ("followers", "reasons")},
            }
            for line in found
        ],
    }  # fmt: skip
