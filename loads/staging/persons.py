"""People: matched with what is at the destination, given their ids, split into contacts and leads, and staged."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import orjson
import pyarrow as pa

from connectors import landing, store
from connectors.store import copy, database, fill, reader
from loads import answered, staged
from loads.crosswalk import Given
from loads.models import Phase
from loads.reasons import reason
from loads.scans.reading import Wanted
from loads.staging import answers, companies, deciding, departed, existing, index, phases, placing, sums
from loads.staging.context import StagingContext
from loads.staging.people_rows import PersonRows, moneys_of_people
from loads.staging.quality import Quality
from loads.staging.ranges import InRanges, bounds
from loads.staging.rows import Draft, TableWriter
from mapping.issues import Issue
from mapping.quality import remedies
from mapping.quality.remedies import APART

OBJECT, TABLES = placing.OBJECT, placing.TABLES
IDS = "ids.parquet"
FORGOTTEN = "list_contains(codes, 'person.forgotten')"  # SQL


class Decision(NamedTuple):
    """What staging decided of one record; see `loads.staging.placing`."""

    position: int
    source_id: str
    disposition: str
    table: str
    into_id: str
    codes: list[str]
    row_id: str
    origin: str
    present: bool
    applied_hash: str
    lead_id: str | None
    lead_origin: str
    lead_hash: str
    lead_refused: list[str]
    untouched_lead: str | None
    company_row: str | None
    company_name: str | None
    ambiguous_company: bool
    owner: str
    email: str
    created: str
    suppressed: bool
    no_mail: bool
    consent_noted: bool
    consent: list[int]
    fitting: list[str]  # rows at the destination, or the record that stands for those with other last names
    inactive: bool  # the contact that was found is


class Persons(InRanges):
    """The people."""

    def __init__(self, context: StagingContext) -> None:
        """They are one object."""
        super().__init__(context, OBJECT)

    @cached_property
    def there(self) -> list[Wanted]:
        """All contacts and leads."""
        return existing.people(self.context.destination)

    @property
    def scans(self) -> list[str]:
        """The same by name."""
        return [one.name for one in self.there]

    def decide(self) -> None:
        """See `_decide`."""
        _decide(self.context, self.there)

    def given(self, start: int) -> Iterator[Given]:
        """The ids of everyone who will have a row, and their aliases."""
        for row in store.read_rows(self.context.path(IDS), start=start):
            yield Given(row["name"], row["table"], row["row_id"], "", row["origin"], row["alias"], row["current"])

    def phases(self) -> list[tuple[str, str]]:
        """Contacts, leads, and those for whom no table was decided."""
        return [*((table, Phase.Kind.ROWS) for table in (*TABLES, "")), *departed.late(self.context, OBJECT)]

    def stage_range(self, number: int) -> None:
        """Build every person's rows beside the decision."""
        context, rows, quality = self.context, PersonRows(self.context), Quality(self.context, OBJECT)
        with phases.Dispositions(context.run, OBJECT, number) as dispositions, ExitStack() as stack:
            writers = {t: stack.enter_context(TableWriter(context, OBJECT, t, number, samples=self.samples)) for t in TABLES}
            worths = stack.enter_context(sums.Worths(context, OBJECT, moneys_of_people(context)))
            decisions = _decisions(context.decisions(OBJECT), *bounds(number))
            for decision, record, problem in self.beside(number, decisions):
                worths.add(decision.position, record)
                _write_one(rows, quality, decision, record, problem, dispositions, writers)


def _decide(context: StagingContext, there: Sequence[Wanted]) -> None:
    """Write the decisions, and the ids of everyone who will have a row, to files."""
    with database() as con:
        deciding.decide(con, context)
        context.beat()
        existing.load_crosswalk(con, context.crosswalk_rows(OBJECT))
        existing.load_people(con, context.run, there)
        context.beat()
        _load_companies(con, context)
        answers.load(con, context.run, OBJECT)
        placing.place(con, context)
        context.beat()
        answered.keep(con, context.run, OBJECT, placing.ANSWERED)
        copy(con, placing.IDS, context.path(IDS))
        _keep_departed(con, context)
        # Last: this file says that the part is done.
        copy(con, "SELECT * FROM decisions ORDER BY position", context.decisions(OBJECT))


def _keep_departed(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    """Of forgotten people no record stands for a row, whether the source still exports it or not."""
    listed = {source_id for (source_id,) in con.execute(f"SELECT source_id FROM decisions WHERE {FORGOTTEN}").fetchall()}  # noqa: S608
    departed.keep(
        con,
        context,
        OBJECT,
        named=f"SELECT source_id, disposition NOT IN ('planned', 'merged') AS waits FROM decisions WHERE NOT {FORGOTTEN}",  # noqa: S608
        given=f"SELECT name AS source_id, \"table\", '' AS role, row_id FROM ({placing.IDS})",  # noqa: S608 - names of our own
        there='SELECT "table", row_id FROM everyone',
        forgotten=lambda names: not listed.isdisjoint(names) or context.person_rules.forgotten.has(*names),
    )


def _decisions(path: Path, start: int, stop: int) -> Iterator[Decision]:
    """The decisions of records at positions `start` to `stop` (not included), in order."""
    with reader() as con:
        within = "SELECT * FROM read_parquet(?) WHERE position >= ? AND position < ? ORDER BY position"
        cursor = con.execute(within, [str(path), start, stop])
        while batch := cursor.fetchmany(2_000):
            yield from (Decision(*row) for row in batch)


def _load_companies(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    """Table `parents`: per person's position the company, its row and its disposition."""
    paths = [str(path) for path in staged.parts(context.run, companies.OBJECT, staged.DISPOSITIONS_KIND)]
    rows = ((row[0], row[3]) for row in context.crosswalk_rows(companies.OBJECT) if row[1] == companies.TABLE)
    fill(con, "company_rows", COMPANY_ROWS, rows)
    landed = landing.scan(context.dataset(companies.OBJECT))
    names = ((item.source_id, orjson.loads(item.raw)["name"]) for item in landed)  # derived by us: always objects
    fill(con, "company_names", COMPANY_NAMES, names)
    con.execute(
        f"""
        CREATE TABLE parents AS
        SELECT a.position, a.company, a.ambiguous, d.disposition, coalesce(d.removed, false) AS removed,
               CASE WHEN d.disposition <> 'skipped' THEN r.row_id END AS row_id, n.name
        FROM read_parquet(?) a LEFT JOIN (SELECT *, {index.GONE} AS removed FROM read_parquet(?)) d ON d.source_id = a.company
        LEFT JOIN company_rows r ON r.source_id = a.company LEFT JOIN company_names n ON n.source_id = a.company
        """,  # noqa: S608 - our own
        [str(context.path(companies.ASSIGNED)), paths],
    )
    con.execute(_APART, {"records": remedies.records_with(APART, OBJECT, context.contents["quality"])})


# People who load without the company that was removed.
_APART = """
    UPDATE parents SET disposition = NULL, removed = false, row_id = NULL FROM keys k
    WHERE k.position = parents.position AND removed AND list_contains($records, left(sha256(k.source_id), 24))
"""


COMPANY_ROWS = pa.schema([("source_id", pa.string()), ("row_id", pa.string())])
COMPANY_NAMES = pa.schema([("source_id", pa.string()), ("name", pa.string())])


def _write_one(
    rows: PersonRows,
    quality: Quality,
    decision: Decision,
    record: dict[str, Any] | None,
    problem: str | None,
    dispositions: phases.Dispositions,
    writers: Mapping[str, TableWriter],
) -> None:
    reasons = [reason(code, detail=answers.told(code, decision.fitting, problem or "")) for code in decision.codes]
    judged = record is not None and decision.disposition in ("planned", "held", "rejected")
    drafts, issues = list[tuple[str, Draft]](), list[Issue]()
    if record is not None and judged:
        draft, issues = rows.person(record, decision)
        drafts.append((draft.main_table, draft))
    disposition, reasons, issues = quality.settle(decision.source_id, decision.disposition, reasons, drafts, issues)
    if judged:
        rejecting = [issue.as_dict() for issue in issues if issue.severity == "reject"]
        if disposition == "planned" and rejecting:
            disposition = "rejected"
        if disposition == "planned":
            for table, draft in drafts:
                writers[table].add(draft)
            if decision.lead_id:
                writers["lead"].add(rows.former_lead(decision))
        listed = {entry["code"] for entry in reasons}
        worth = ("loss", "note") if disposition == "planned" else ("hold", "loss", "note")
        reasons += rejecting + [issue.as_dict() for issue in issues if issue.severity in worth and issue.code not in listed]
    dispositions.add(decision.position, decision.source_id, disposition, decision.table, decision.into_id, reasons)
