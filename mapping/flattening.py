"""Payloads of events into typed columns: the signed flattening plan, what no plan can hold, and the budget of columns."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mapping.issues import Issue, brief
from mapping.models import FieldMap
from mapping.playbooks import load_playbook
from workbench.engagements.models import Engagement

LEVELS = 3  # a key may lead so deep: `poll.q2.scale`
_OUTSIDE = "Outside the budget of "
OUTSIDE = _OUTSIDE + "{budget} typed columns on {table}; the payload column keeps it."


def events_content(engagement: Engagement, names: Mapping[str, str]) -> dict[str, Any]:
    """The `events` plan part: per object with payloads the columns that its keys become, and the budget of columns.

    volume: records from which a table of its own is offered. unflattenable: what becomes of a payload that can't be flattened: `payload`,
    it loads with the key's column empty, or `hold`.
    """
    playbook = load_playbook(engagement.platform)
    flat = {rule.object: rule.payload.replace("{prefix}", engagement.prefix) for rule in playbook.records if rule.payload}
    decided = FieldMap.objects.filter(engagement=engagement, object_name__in=flat).exclude(state=FieldMap.State.PROPOSED)
    rows = sorted(decided.values_list("object_name", "source", "table", "column", "state"))
    return {
        "budget": _whole(names["event_budget"], 40),
        "volume": _whole(names["event_volume"], 250_000),
        "unflattenable": names["unflattenable"],
        "objects": {
            name: {"payload": payload, "columns": [[source, column] for of, source, _, column, state in rows if of == name and column]}
            for name, payload in flat.items()
        },
    }


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.strip().isdecimal() else otherwise


def unflattenable(payload: Mapping[str, Any]) -> Iterator[Issue]:
    """Why parts of a payload can't be columns: objects deeper than three levels, arrays of objects. The payload column keeps them."""
    for key, value in payload.items():
        if isinstance(value, (dict, list)):
            if depth(value) >= LEVELS + 1 or (isinstance(value, dict) and depth(value) >= LEVELS):
                yield Issue("payload.too_deep", key, brief(value), "note")
            if _has_array_of_objects(value):
                yield Issue("payload.array_of_objects", key, brief(value), "note")


def depth(value: Any, most: int = LEVELS + 2) -> int:
    """How many levels of objects lie in a value, counted up to `most`: 0 for a plain one, 1 for an object of plain ones."""
    if most <= 0:
        return 0
    if isinstance(value, dict):
        return 1 + max((depth(part, most - 1) for part in value.values()), default=0)
    return max((depth(part, most - 1) for part in value), default=0) if isinstance(value, list) else 0


def _has_array_of_objects(value: Any, most: int = LEVELS + 2) -> bool:
    if most <= 0:
        return False
    if isinstance(value, list):
        return any(isinstance(part, (dict, list)) for part in value)
    return isinstance(value, dict) and any(_has_array_of_objects(part, most - 1) for part in value.values())


Key = tuple[str, str]  # object, source field


def within_budget(
    rows: Sequence[dict[str, Any]], filled: Mapping[Key, int], budget: int, taken: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Proposed lines of one table's objects with payloads: the most filled keys stay within its budget of new columns, the rest are left.

    rows: as `Proposal.as_row` gives them. filled: records that hold a value. taken: new columns that lines of the table have already.
    """
    asking = [row for row in rows if row["new_column"] and row["column"] not in taken]
    asking.sort(key=lambda row: (-filled.get((row["object"], row["source"]), 0), row["source"], row["object"]))
    columns = list(dict.fromkeys(row["column"] for row in asking))
    over = set(columns[max(budget - len(taken), 0) :])
    return [_left(row, budget) if row["new_column"] and row["column"] in over else row for row in rows]


def is_outside(reason: str) -> bool:
    """Whether the budget alone left a line behind."""
    return reason.startswith(_OUTSIDE)


def _left(row: dict[str, Any], budget: int) -> dict[str, Any]:
    reason = OUTSIDE.format(budget=budget, table=row["table"])
    return {**row, "column": "", "new_column": None, "state": FieldMap.State.LEFT, "reason": reason}
