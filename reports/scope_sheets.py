"""The scope as sheets: what is there, what moves where, what was found and decided, the forecasts, and the estimate with its rules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.printable import moment
from reports.xlsx import Cell, Sheet


def sheets(told: Mapping[str, Any]) -> Iterator[Sheet]:
    """The scope's parts, a sheet each. told: see `reports.scope.scope_content`."""
    yield Sheet("Scope", ["What", "Value"], _about(told), [40, 70])
    counts = [[one["object"], one["title"], one["records"], one["basis"]] for one in told["counts"]]
    yield Sheet("What is there", ["Object", "Title", "Records", "How that is known"], counts, [24, 40, 14, 50])
    header = ["Object", "Title", "Becomes", "How many for one", "Records", "Confirmed", "Note"]
    yield Sheet("What moves where", header, map(_object, told["objects"]["rows"]), [24, 40, 30, 18, 14, 12, 90])
    split = [[one["stage"], one["people"], one["outcome"]] for one in told["split"]["rows"]]
    yield Sheet("Split", [told["split"]["field"], "People", "Becomes"], split, [40, 12, 14])
    header = ["Severity", "Where", "Group", "Check", "About", "Evidence", "Remedy"]
    keys = ["severity", "where", "group", "title", "subject", "evidence", "remedy"]
    yield Sheet("Findings", header, _values(told["findings"]["rows"], keys), [12, 14, 24, 36, 36, 80, 80])
    header = ["Where", "Check", "About", "Evidence", "Question", "Whose", "Answer", "What it means", "Decided by", "At (UTC)", "Comment"]
    widths = [14, 36, 36, 80, 50, 18, 28, 60, 18, 22, 50]
    yield Sheet("Decisions", header, map(_decision, told["decisions"]["rows"]), widths)
    header = ["Environment", "Object", "Table", "Rows", "Requests", "Database, bytes", "Files, bytes", "Log, bytes", "Measured"]
    keys = ["object_name", "table", "rows", "requests", "database", "file", "log", "measured"]
    lines = ([one["environment"], *row] for one in told["forecasts"] for row in _values(one["lines"], keys))
    yield Sheet("Forecasts", header, lines, [14, 24, 28, 14, 14, 18, 16, 16, 12])
    timeline = _values(told["timeline"]["stages"], ["stage", "first", "last", "days", "rule"])
    yield Sheet("Timeline", ["Stage", "First day", "Last day", "Working days", "Rule"], timeline, [60, 12, 12, 14, 50])
    effort = _values(told["effort"]["rows"], ["work", "role", "days", "rule"])
    yield Sheet("Effort", ["Work", "Whose", "Days", "Rule"], effort, [50, 16, 10, 70])
    grade = _values(told["grade"]["inputs"], ["title", "value", "source"])
    yield Sheet("Grade", ["What is counted", "How many", "How that is known"], grade, [40, 14, 60])
    yield Sheet("Assumptions", ["Assumption"], ([words] for words in told["assumptions"]), [140])


def _about(told: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    objects, grade, decisions = told["objects"], told["grade"], told["decisions"]
    yield ["Engagement", told["engagement"]]
    yield ["Platform", told["platform"]]
    yield ["Objects that move", f"{objects['moving']} of {objects['of']}"]
    yield ["Objects that are documented", objects["documented"]]
    usage = told["usage"]
    yield ["Hardly used fields, put to the customer", f"{usage['fields']}, of which {usage['fields_left']} stay behind"]
    yield ["Objects without records, put to the customer", f"{usage['objects']}, of which {usage['objects_left']} are left out"]
    yield ["Grade", f"{grade['name']}, {grade['title']}"]
    yield ["Weeks on the calendar", told["timeline"]["weeks"]]
    for role, days in told["effort"]["days"].items():
        yield [f"Days of work, {role}", days]
    yield ["Decisions open", decisions["open"]]
    yield ["Decisions taken", decisions["taken"]]
    yield ["Split matrix signed", told["split"]["signed"]]


def _object(one: Mapping[str, Any]) -> Sequence[Cell]:
    tables = ", ".join(one["tables"])
    return [one["object"], one["title"], tables, one["cardinality"], one["records"], one["confirmed"], one["note"]]


def _decision(one: Mapping[str, Any]) -> Sequence[Cell]:
    keys = ("where", "title", "subject", "evidence", "question", "who", "answer", "means", "by")
    return [*(one[key] for key in keys), moment(one["at"]), one["comment"]]


def _values(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Iterator[Sequence[Cell]]:
    return ([row[key] for key in keys] for row in rows)
