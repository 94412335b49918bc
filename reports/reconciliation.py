"""The reconciliation report of a run: as JSON once nobody works on the run any more, then as a workbook and a PDF too."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from loads import callers
from loads.acceptance import exceptions_content, owners_content, phase_content, remarks_content, verified_content
from loads.bindings import currencies_of
from loads.losses import deciding
from loads.losses.models import Loss
from loads.models import Phase, Run, VerifiedRow
from loads.reasons import explained
from loads.reconciliation import RECORDS, ROWS
from loads.rehearsal import scoring
from loads.staging import placeholders
from loads.verification import VERDICTS, by_currency, by_verdict
from reports.books.reconciliation import book
from reports.documents import write_book, write_json, write_sheets
from reports.models import Document
from reports.xlsx import Cell, Sheet

KIND = "reconciliation"
RANGE = ("min", "max", "sum")


def content(run: Run) -> dict[str, Any]:
    """A run's reconciliation as data: phases with records and rows; of a run that is over the rest too, see `whole`."""
    currencies = currencies_of(run.environment)
    told = {
        "engagement": run.engagement.name,
        "environment": run.environment.kind,
        "run": run.key,
        "state": run.state,
        "phases": [_phase(phase, currencies) for phase in run.phases.select_related("behind")],
        "tuning": callers.content(run),
    }
    return told | (whole(run) if run.state in Run.FINISHED else {})


def _phase(phase: Phase, currencies: Mapping[str, str]) -> dict[str, Any]:
    told = {**phase_content(phase), "pass": phase.get_kind_display(), "at_destination": phase.at_destination}
    if phase.is_parked:
        told["parked"] = phase.message
    if phase.behind:
        told["behind"] = str(phase.behind)
    return told | ({"read_back": _read_back(phase.verified, currencies)} if phase.verified else {})


def _read_back(verified: Mapping[str, Any], currencies: Mapping[str, str]) -> dict[str, Any]:
    """Rows, those that weren't as they were meant, and those that others had changed by then.

    Per column the values by verdict, and the rows that hold nothing in it; of numbers also the least, the most and the sum that were read,
    of money these by currency. currencies: row id -> code.
    """
    columns = []
    for name, counts in sorted(verified["columns"].items()):
        empty = verified["rows"] - verified["filled"].get(name, 0) if "filled" in verified else None
        told = {"column": name, **dict(zip(VERDICTS, by_verdict(counts), strict=True)), "empty": empty}
        ranges = [
            {"currency": currencies.get(row_id.lower(), row_id), **dict(zip(RANGE, numbers, strict=True))}
            for row_id, numbers in by_currency(verified["ranges"].get(name, {})).items()
        ]
        plain = next((one for one in ranges if not one["currency"]), {})
        money = sorted((one for one in ranges if one["currency"]), key=itemgetter("currency"))
        columns.append(told | {what: plain.get(what) for what in RANGE} | ({"money": money} if money else {}))
    counts = {"wrong": verified["wrong_rows"], "edited": verified.get("edited_rows", 0)}
    return {"rows": verified["rows"], **counts, "columns": columns}


def whole(run: Run) -> dict[str, Any]:
    """What looks at every record, so that it is read once for a run: rehearsal, sample, exceptions, remarks, placeholders, owners, plan."""
    return {
        "rehearsal": scoring.content(run),
        "verified": verified_content(run),
        "losses": {**deciding.content(run), "decision": deciding.decision_content(run)},
        "exceptions": exceptions_content(run),
        "remarks": remarks_content(run),
        "placeholders": [
            {
                "object": one.parent,
                "source_id": one.source_id,
                "table": one.table,
                "row_id": one.row_id,
                "needed_by": name,
                "made": one.made,
            }
            for name in run.staged
            for one in placeholders.of_run(run, name)
        ],
        "owners": owners_content(run),
        "parts": run.parts,
    }


def write(run: Run) -> Document:
    """The report as JSON."""
    return write_json(run.engagement, KIND, content(run), run)


def write_workbook(run: Run) -> Document:
    """The same as a workbook, with every row that was read back."""
    told = content(run)
    return write_sheets(run.engagement, KIND, sheets(run, told if run.state in Run.FINISHED else told | whole(run)), run)


def write_pdf(run: Run) -> Document:
    """The same on paper."""
    told = content(run)
    return write_book(write_json(run.engagement, KIND, told, run), book(told))


def sheets(run: Run, told: Mapping[str, Any]) -> Iterator[Sheet]:
    """Run, records, rows, pace, exceptions, remarks, rehearsal, all that was read back, placeholders, owners, versions of the plan."""
    yield Sheet("Run", ["What", "Value"], _head(run, told), [24, 60])
    yield Sheet(
        "Records",
        ["Object", "Table", "Pass", "Extracted", *_titles(RECORDS), "Balanced"],
        _records(told["phases"]),
        [24, 24, 24, *[12] * 9],
    )
    header = ["Object", "Table", "Pass", "Planned", *_titles(ROWS), "Found at the destination"]
    yield Sheet("Rows", header, _rows(told["phases"]), [24, 24, 24, *[12] * 6, 26])
    yield Sheet("Pace", ["What", "Which", "Chosen", "Recommended", "Refused (429)", "Why"], _pace(told["tuning"]), [20, 30, 12, 14, 14, 90])
    yield Sheet(
        "Exceptions", ["Object", "Outcome", "Code", "What it means", "Records", "For instance"], _exceptions(told), [18, 14, 28, 70, 10, 34]
    )
    header = ["Object", "Severity", "Code", "What it means", "Field", "Records", "For instance"]
    yield Sheet("Losses and notes", header, _remarks(told["remarks"]), [18, 10, 28, 70, 24, 10, 60])
    header = ["Object", "Table", "Column", "What happened", "Code", "Field", "Values", "Kept whole in", "The customer"]
    yield Sheet("What arrived with less", header, _losses(told["losses"]), [18, 18, 30, 26, 28, 30, 12, 30, 40])
    header = ["Reason", "What it means", "Predicted", "Came so", "In both", "Precision", "Recall", "Missed", "Unfounded"]
    yield Sheet("Rehearsal", header, _rehearsal(told["rehearsal"]), [28, 70, 12, 12, 12, 12, 12, 34, 34])
    header = ["Object", "Table", "Pass", "Rows", "Column", *_titles(VERDICTS), "Empty", "Least", "Most", "Sum"]
    yield Sheet("Every value read back", header, _read(told["phases"]), [18, 24, 24, 10, 36, *[12] * 6, *[18] * 3])
    header = ["Object", "Table", "Pass", "Column", "Currency", "Least", "Most", "Sum"]
    yield Sheet("Money read back", header, money_read(told["phases"]), [18, 24, 24, 36, 12, *[18] * 3])
    header = ["Source id", "Table", "Row id", "Column", "At the source", "Meant", "Found", "Verdict"]
    yield Sheet("Read back", header, _verified(run), [26, 16, 38, 30, 40, 40, 40, 10])
    header = ["Missing", "Source id", "Table", "Row id", "Needed by", "Made by this run"]
    yield Sheet("Placeholders", header, _placeholders(told["placeholders"]), [18, 34, 16, 38, 18, 16])
    yield Sheet("Owners", ["Owner at the source", "Owned by", "As", "Signed by"], _owners(told["owners"]), [44, 44, 18, 24])
    parts = [[part, version["version"], version["sha256"]] for part, version in sorted(told["parts"].items())]
    yield Sheet("Plan", ["Part", "Version", "SHA-256"], parts, [14, 10, 68])


def _head(run: Run, told: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    yield from (["Engagement", told["engagement"]], ["Environment", told["environment"]], ["Run", told["run"]], ["State", told["state"]])
    yield ["Started", run.started_at]
    yield ["Finished", run.finished_at]
    yield ["Every phase balances", bool(told["phases"]) and all(phase["balanced"] for phase in told["phases"])]
    yield ["The sum", f"extracted = {' + '.join(RECORDS)}; planned = {' + '.join(ROWS)}"]


def _titles(names: Iterable[str]) -> list[str]:
    return [name.capitalize() for name in names]


def _records(phases: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for phase in phases:
        yield [phase["object"], phase["table"], phase["pass"], phase["extracted"], *(phase[name] for name in RECORDS), phase["balanced"]]


def _rows(phases: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for phase in phases:
        counts = phase["rows"]
        yield [phase["object"], phase["table"], phase["pass"], counts["planned"], *(counts[name] for name in ROWS), phase["at_destination"]]


def _read(phases: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for phase in phases:
        back = phase.get("read_back", {"rows": 0, "columns": ()})
        for one in back["columns"]:
            place = [phase["object"], phase["table"], phase["pass"], back["rows"], one["column"]]
            yield [*place, *(one[name] for name in (*VERDICTS, "empty", "min", "max", "sum"))]


def money_read(phases: Iterable[Mapping[str, Any]]) -> Iterator[list[Cell]]:
    """Object, table, pass, column, currency, least, most and sum of all money that was read back."""
    for phase in phases:
        for one in phase.get("read_back", {"columns": ()})["columns"]:
            for money in one.get("money", ()):
                yield [phase["object"], phase["table"], phase["pass"], one["column"], money["currency"], *(money[name] for name in RANGE)]


def _pace(tuning: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    for user in tuning["users"]:
        yield ["Requests at once", user["user"], user["at_once"], user["hint"], user["refused"], user["said"]]
    for one in tuning["tables"]:
        yield ["Rows per call", f"{one['object']} to {one['table']}, {one['calls']}", one["rows_per_call"], None, None, one["said"]]


def _exceptions(told: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    for one in told["exceptions"]:
        yield [one["object"], one["outcome"], one["code"], explained(one["code"]), one["count"], one["example"]]


def _remarks(remarks: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for one in remarks:
        words = explained(one["code"])
        yield [one["object"], one["severity"], one["code"], words, one["field"], one["count"], ", ".join(one["examples"])]


def _losses(told: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    kinds, decision = dict(Loss.KINDS), told["decision"]
    said = f"{decision['choice']} by {decision['decided_by']}, {decision['decided_at'][:10]}" if decision else "not decided"
    for one in told["losses"]:
        what = [kinds[one["kind"]], one["code"], one["field"], one["values"], one["kept_in"]]
        yield [one["object"], one["table"], one["column"], *what, said]


def _rehearsal(told: Mapping[str, Any] | None) -> Iterator[Sequence[Cell]]:
    """The score, whole and per reason."""
    score = told["score"] if told else None
    if score is None:
        return
    for outcome in scoring.OUTCOMES:
        yield [f"All {outcome}", "", *(score[outcome][name] for name in scoring.FIGURES), None, None]
    for one in score["reasons"]:
        lists = [", ".join(one[name]) for name in ("missed", "unfounded")]
        yield [one["code"], explained(one["code"]), *(one[name] for name in scoring.FIGURES), *lists]


def _verified(run: Run) -> Iterator[Sequence[Cell]]:
    for row in VerifiedRow.objects.filter(run=run).select_related("phase").worst_first().iterator():
        for one in row.fields:
            values = [_shown(one.get(name)) for name in ("source", "meant", "found")]
            yield [row.source_id, row.phase.table, str(row.row_id), one.get("column"), *values, one.get("verdict")]


def _shown(value: Any) -> Cell:
    """A value as it is read: ids and numbers of the source as text, nothing as an empty cell."""
    return None if value is None else str(value)


def _placeholders(found: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for one in found:
        yield [one["object"], one["source_id"], one["table"], one["row_id"], one["needed_by"], one["made"]]


def _owners(owners: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for answer in owners:
        how = answer["as"] or ("owner team" if answer["kind"] == "team" else "user")
        for owner in answer["owners"]:
            yield [owner, answer["name"], how, answer["signed_by"]]
