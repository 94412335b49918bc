"""A run of some exceptions alone: everything is staged and balances as in any run, and only rows of the chosen groups are sent.

What loaded before is found equal. A row that didn't load and isn't chosen keeps what came of it. Rows that wait for others go along, and so
do companies that staging derives anew since somebody of theirs loads.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q

from connectors import store
from loads import quality, staged
from loads.desk import groups
from loads.desk.groups import FOLLOWERS, Group
from loads.models import LedgerEntry, Phase, Rehearsal, Run
from loads.reasons import reason
from loads.runs import NotInThatState, landed, open_run
from workbench.engagements import history
from workbench.engagements.errors import BadInput

OPENED = "opened re-run"
SHARED = "@"  # begins the ids of rows that records share, such as placeholders of parents: they are staged where one needs them
WAITS = (
    "Rehearsed; nothing is sent yet. {count} of what it sends or looks at again would be refused: look at the rehearsal, "
    "give another remedy and open a new re-run, or resume."
)


def open_rerun(base: Run, chosen: Sequence[Group], user: User) -> Run:
    """Open a run of some groups of a run's exceptions. Raises BadInput, NotInThatState, and what opening any run raises."""
    if not chosen:
        raise BadInput("No group is chosen.", remedy="Tick the groups that are to be loaded again.")
    newest = next(filter(quality.has_begun, Run.objects.filter(environment=base.environment).order_by("-pk")), None)
    if base.state != Run.State.DONE or newest != base:
        raise NotInThatState(f"{base} isn't the newest run that is done.", remedy="Open the exceptions of the environment's newest run.")
    with transaction.atomic():
        places = [group.place for group in chosen]
        run = open_run(base.environment, user, datasets=landed(base), rerun_of=base, groups=places)
        detail = {"of": base.key, "key": run.key, "groups": places, "records": sum(group.records for group in chosen)}
        history.record(run.engagement, actor=user, action=OPENED, subject=str(run), detail=detail)
    return run


class Scope:
    """Which rows of a re-run are sent."""

    def __init__(self, run: Run) -> None:
        """Of any other run all are."""
        self.run = run
        self._chosen = {tuple(place) for place in run.groups}

    def left(self, phase: Phase, rows: Iterable[tuple[str, str, str]]) -> dict[str, tuple[str, dict[str, Any]]]:
        """Row id -> (outcome, reason) of those that aren't sent. rows: (row id, source id, action) of rows of a phase.

        What is done late with rows that loaded before is looked at as in any run, and found done.
        """
        if self.run.rerun_of_id is None:
            return {}
        wanted = [row for row in rows if row[2] != "equal"]
        before = self._before(phase, wanted)
        of_rows = {str(entry.row_id): entry for entry in before if entry.row_id and entry.kind == phase.kind}  # type: ignore[attr-defined]
        going = {entry.source_id for entry in before if self._goes(entry)}
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        unheard_of = dict[str, str]()
        for row_id, source_id, _ in wanted:
            of_row, shared = of_rows.get(row_id), source_id.startswith(SHARED)
            if of_row and shared and of_row.source_id != source_id:  # it stands in the place of a row that somebody removed
                of_row = None
            goes = self._goes(of_row) if of_row else source_id in going or shared or phase.kind != Phase.Kind.ROWS
            if not goes:
                found[row_id] = _as_before(of_row)
                unheard_of |= {} if of_row else {row_id: source_id}
        new = self._new(phase.object_name, unheard_of.values())
        return {row_id: left for row_id, left in found.items() if unheard_of.get(row_id) not in new}

    def _new(self, object_name: str, source_ids: Collection[str]) -> set[str]:
        """Those of records that the run before didn't have: of the same datasets it is only what staging derives."""
        if not (self.run.rerun_of and source_ids):
            return set()
        paths = [str(path) for path in staged.parts(self.run.rerun_of, object_name, staged.DISPOSITIONS_KIND)]
        if not paths:
            return set()
        with store.reader() as con:
            known = con.execute(
                "SELECT source_id FROM read_parquet(?) WHERE source_id IN (SELECT unnest(?))", [paths, list(source_ids)]
            ).fetchall()
        return set(source_ids) - {source_id for (source_id,) in known}

    def _before(self, phase: Phase, rows: Sequence[tuple[str, str, str]]) -> list[LedgerEntry]:
        """What came of these rows in the run before, and of their records' other rows: a row may have another id by now."""
        by_row = Q(row_id__in=[UUID(row_id) for row_id, _, _ in rows])
        by_record = Q(object_name=phase.object_name, source_id__in=[source_id for _, source_id, _ in rows])
        return list(groups.told(self.run.rerun_of_id or 0).annotate(kind=F("phase__kind")).filter(by_row | by_record))

    def _goes(self, entry: LedgerEntry) -> bool:
        follows = entry.outcome == LedgerEntry.Outcome.WAITING or entry.code in FOLLOWERS
        return follows or tuple(getattr(entry, name) for name in groups.NAMES) in self._chosen


def _as_before(entry: LedgerEntry | None) -> tuple[str, dict[str, Any]]:
    """What came of a row before; one that loaded and would be changed by now is for a full run."""
    if entry is None:
        return LedgerEntry.Outcome.WAITING, reason("rerun.outside")
    return entry.outcome, dict(entry.reasons[0])


def look_first(run: Run) -> str:
    """What a person should see before a re-run sends anything, once; '' where there is nothing."""
    doubtful = Rehearsal.objects.filter(run=run, run__rerun_of__isnull=False, refused__gt=0, asked=False)
    found = doubtful.first()
    doubtful.update(asked=True)
    return WAITS.format(count=found.refused) if found else ""
