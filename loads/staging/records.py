"""Records of any object: decided set-based beside their parents, then built into rows a range at a time.

An object's kind adds what is special to it (`decisions.Kind`); what is complete stands as a file, so that a worker goes on after it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from typing import Any

from connectors import landing
from connectors.models import Dataset
from connectors.store import database
from loads import crosswalk, staged
from loads.crosswalk import Given
from loads.models import Phase
from loads.reasons import reason
from loads.staging import departed, files, following, judging, phases, placeholders
from loads.staging.context import StagingContext
from loads.staging.decisions import MAIN, RANGE, Builder, Built, Decision, Kind, read_decisions
from loads.staging.quality import Quality
from loads.staging.rows import SAMPLES, Draft, LateWriter, TableWriter

STATES = Phase.Kind.STATES  # stand with the rows


def stage(context: StagingContext, object_name: str, kind: Kind) -> bool:
    """Do the next part of staging an object; True when all is staged. What is complete stands as a file, so that a worker goes on."""
    dataset = _dataset(context, object_name, kind)
    if not context.decisions(object_name).exists():
        judging.decide(context, object_name, kind, dataset)
        return False
    number = len(staged.parts(context.run, object_name, staged.DISPOSITIONS_KIND))
    if number * RANGE < landing.positions(dataset) or number == 0:
        _stage_range(context, object_name, kind, dataset, number)
        return False
    following.follow(context, object_name)
    phases.record(context.run, object_name, _phases(context, object_name, kind), context.worker)
    return True


def _phases(context: StagingContext, object_name: str, kind: Kind) -> list[tuple[str, str]]:
    """(table, kind of phase) in the order they are loaded, the one without a table last where records have none."""
    rows = [(table, Phase.Kind.ROWS) for table in _tables(context, object_name, kind)]
    return [*rows, *_late(context, object_name, kind), *departed.late(context, object_name)]


def _tables(context: StagingContext, object_name: str, kind: Kind) -> list[str]:
    """The tables that an object's rows go to, in load order, those of placeholders of their parents first."""
    standing = {one.table for one in placeholders.of_run(context.run, object_name) if one.made}
    return [*sorted(standing), *(kind.tables if kind.tables is not None else context.tables_of(object_name))]


def _late(context: StagingContext, object_name: str, kind: Kind) -> list[tuple[str, str]]:
    main = context.tables_of(object_name)[0]
    return [(main if table == MAIN else table, what) for table, what in kind.late]


def _dataset(context: StagingContext, object_name: str, kind: Kind) -> Dataset:
    """The records: the object's landed dataset, or a derived one, made once per run."""
    if kind.dataset is not None and object_name not in context.run.datasets:
        context.run.datasets[object_name] = kind.dataset(context, object_name).pk
        context.run.save(update_fields=["datasets"])
    return context.dataset(object_name)


def _stage_range(context: StagingContext, object_name: str, kind: Kind, dataset: Dataset, number: int) -> None:
    """Stage the records of one range; the dispositions' file is written last."""
    start, stop = number * RANGE, (number + 1) * RANGE
    if number == 0 and context.objects[object_name]["record"]["crosswalk"]:
        crosswalk.follow(context.run.environment, object_name, _ids(context, object_name), context.beat)
    quality = Quality(context, object_name)
    builder, samples = kind.builder(context, object_name), max(1, SAMPLES * RANGE // max(landing.positions(dataset), RANGE))
    tables = _tables(context, object_name, kind)
    with phases.Dispositions(context.run, object_name, number) as dispositions, ExitStack() as stack:
        writers = {t: stack.enter_context(TableWriter(context, object_name, t, number, samples=samples)) for t in tables}
        late = {
            (t, k): stack.enter_context(LateWriter(context, object_name, t, k, number))
            for t, k in _late(context, object_name, kind)
            if k != STATES
        }
        if number == 0:
            shared = kind.shared(context, object_name) if kind.shared else ()
            _write_shared(context, object_name, chain(placeholders.drafts(context, object_name), shared), writers)
        main, decisions = context.tables_of(object_name)[0], read_decisions(context, object_name, start, stop)
        for landed in landing.scan(dataset, start, stop):
            decision = next(decisions)
            if decision.position != landed.position:
                raise AssertionError(f"Decision {decision.position} met record {landed.position}.")
            record = landing.parse(landed.raw)[0] if landed.problem is None else None
            _write_one(builder, quality, decision, record, landed.problem or "", main, dispositions, writers, late)
            if not landed.position % 2_000:
                context.beat()


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
    reasons = [reason(code, detail=problem) for code in decision.codes]
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


def _ids(context: StagingContext, object_name: str) -> Iterator[Given]:
    with database() as con:
        cursor = con.execute(
            """SELECT source_id, r.t, r.id, r.role, r.origin FROM (SELECT source_id, unnest(rows) AS r FROM read_parquet(?)
               WHERE disposition = 'planned')""",
            [str(context.decisions(object_name))],
        )
        while batch := cursor.fetchmany(crosswalk.BATCH):
            yield from (Given(source_id, table, row, role, origin) for source_id, table, row, role, origin in batch)
