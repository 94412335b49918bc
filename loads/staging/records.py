"""Records of any object: decided set-based beside their parents, then built into rows a range at a time.

An object's kind adds what is special to it (`decisions.Kind`); what is complete stands as a file, so that a worker goes on after it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property, partial
from itertools import chain
from typing import Any

from connectors.models import Dataset
from connectors.store import reader
from loads import crosswalk
from loads.crosswalk import Given
from loads.models import Phase
from loads.reasons import reason
from loads.scans.reading import Wanted
from loads.staging import answers, departed, files, judging, known, phases, placeholders
from loads.staging.context import StagingContext
from loads.staging.decisions import MAIN, Builder, Built, Decision, Kind, read_decisions
from loads.staging.quality import Quality
from loads.staging.ranges import InRanges, bounds
from loads.staging.rows import Draft, LateWriter, TableWriter

STATES = Phase.Kind.STATES  # stand with the rows


class Records(InRanges):
    """The records of any object but people and companies."""

    def __init__(self, context: StagingContext, object_name: str, kind: Kind) -> None:
        """kind: what is special to the object."""
        super().__init__(context, object_name)
        self.kind = kind

    @cached_property
    def dataset(self) -> Dataset:  # type: ignore[override]
        """The records: the object's landed dataset, or a derived one, made once per run."""
        run = self.context.run
        if self.kind.dataset is not None and self.object_name not in run.datasets:
            run.datasets[self.object_name] = self.kind.dataset(self.context, self.object_name).pk
            run.save(update_fields=["datasets"])
        return super().dataset

    @cached_property
    def there(self) -> list[Wanted]:
        """See `known.wanted`."""
        return known.wanted(self.context, self.object_name)

    @property
    def scans(self) -> list[str]:
        """See `known.scans`."""
        return known.scans(self.context, self.object_name)

    def decide(self) -> None:
        """See `judging.decide`."""
        judging.decide(self.context, self.object_name, self.kind, self.dataset, self.there)

    def given(self, start: int) -> Iterator[Given]:
        """The ids of the rows that are planned; none of objects that nothing looks up to."""
        if not self.context.objects[self.object_name]["record"]["crosswalk"]:
            return
        with reader() as con:
            cursor = con.execute(
                """SELECT source_id, r.t, r.id, r.role, r.origin FROM (SELECT source_id, unnest(rows) AS r FROM read_parquet(?)
                   WHERE disposition = 'planned') OFFSET ?""",
                [str(self.context.decisions(self.object_name)), start],
            )
            while batch := cursor.fetchmany(crosswalk.BATCH):
                yield from (Given(source_id, table, row, role, origin) for source_id, table, row, role, origin in batch)

    def phases(self) -> list[tuple[str, str]]:
        """The tables in load order, then what is done late."""
        rows = [(table, Phase.Kind.ROWS) for table in self._tables]
        return [*rows, *self._late, *departed.late(self.context, self.object_name)]

    def stage_range(self, number: int) -> None:
        """Build every record's rows beside its decision."""
        context, object_name, kind = self.context, self.object_name, self.kind
        builder, quality = kind.builder(context, object_name), Quality(context, object_name)
        with phases.Dispositions(context.run, object_name, number) as dispositions, ExitStack() as stack:
            open_table = partial(TableWriter, context, object_name, number=number, samples=self.samples)
            writers = {table: stack.enter_context(open_table(table)) for table in self._tables}
            rest = [(table, what) for table, what in self._late if what != STATES]
            late = {one: stack.enter_context(LateWriter(context, object_name, *one, number)) for one in rest}
            if number == 0:
                shared = kind.shared(context, object_name) if kind.shared else ()
                _write_shared(context, object_name, chain(placeholders.drafts(context, object_name), shared), writers)
            main, decisions = self.main, read_decisions(context, object_name, *bounds(number))
            for decision, record, problem in self.beside(number, decisions):
                _write_one(builder, quality, decision, record, problem, main, dispositions, writers, late)

    @property
    def main(self) -> str:
        """The object's main table."""
        return self.context.tables_of(self.object_name)[0]

    @property
    def _tables(self) -> list[str]:
        """The tables that the rows go to, in load order, those of placeholders of their parents first."""
        standing = {one.table for one in placeholders.of_run(self.context.run, self.object_name) if one.made}
        return [*sorted(standing), *(self.kind.tables if self.kind.tables is not None else self.context.tables_of(self.object_name))]

    @property
    def _late(self) -> list[tuple[str, str]]:
        return [(self.main if table == MAIN else table, what) for table, what in self.kind.late]


def _write_shared(
    context: StagingContext, object_name: str, drafts: Iterable[tuple[str, Draft]], writers: Mapping[str, TableWriter]
) -> None:
    given = []
    for table, draft in drafts:
        writers[table].add(draft)
        given.append(Given(draft.source_id, table, draft.row_id))
    crosswalk.follow(context.run.environment, object_name, given)


def _write_one(
    builder: Builder,
    quality: Quality,
    decision: Decision,
    record: dict[str, Any] | None,
    problem: str,
    main: str,
    dispositions: phases.Dispositions,
    writers: Mapping[str, TableWriter],
    late: Mapping[tuple[str, str], LateWriter],
) -> None:
    reasons = [reason(code, detail=answers.told(code, decision.fitting, problem)) for code in decision.codes]
    judged = record is not None and decision.disposition in ("planned", "held", "rejected")
    built = builder.build(record, decision) if record is not None and judged else Built([], [], [])
    issues = [*built.issues, *files.fit(quality.context, built.drafts)]
    disposition, reasons, issues = quality.settle(decision.source_id, decision.disposition, reasons, built.drafts, issues)
    if judged:
        rejecting = [issue.as_dict() for issue in issues if issue.severity == "reject"]
        holding = [issue.as_dict() for issue in issues if issue.severity == "hold"]
        if disposition == "planned" and (rejecting or holding):
            disposition = "rejected" if rejecting else "held"
        if disposition == "planned":
            for table, draft in built.drafts:
                writers[table].add(draft)
            for one in built.late:
                late[one.table, one.kind].add(one.row_id, decision.source_id, decision.position, main, one.values, one.parents, one.role)
        reasons += rejecting + holding + [issue.as_dict() for issue in issues if issue.severity in ("loss", "note")]
    dispositions.add(decision.position, decision.source_id, disposition, main, decision.into_id, reasons)
