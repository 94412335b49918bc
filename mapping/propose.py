"""Proposes where each source field goes, so that none is without a decision; a person confirms every line."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.dataverse.columns import ColumnSpec
from mapping.fieldmaps import FieldRule
from mapping.issues import EXPLANATIONS, Issue
from mapping.naming import column_name
from mapping.playbooks import KnownField, Playbook, field_key
from mapping.profiles import FieldProfile
from mapping.schema import spec_as_dict, standing_columns, tracking_columns
from mapping.transforms import MEMO_LIMIT, STRING_LIMIT, ColumnLike
from mapping.transforms.moments import MOMENT
from mapping.transforms.numbers import RANGES

TEXT_LENGTHS = (100, 250, 500, 1_000, 2_000, STRING_LIMIT)
MEMO_LENGTHS = (10_000, 100_000, MEMO_LIMIT)
MOST_OF_ONE_TYPE = 0.9  # below this share of one JSON type a field becomes text, so that nothing is lost
ROOM = 1.25  # a sample's longest text is rarely the longest of all
STRUCTURES = {"array", "object", "null"}
DAY_LENGTH = 10  # 2024-03-05

# Words of sources for their types, without case; others are judged by what the records hold.
DECLARED = {
    **dict.fromkeys(("string", "text"), "string"),
    **dict.fromkeys(("date", "datetime", "timestamp"), "date"),
    **dict.fromkeys(("long", "integer", "int"), "integer"),
    **dict.fromkeys(("double", "float", "number", "decimal"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("object", "nested", "geo_location"), "structure"),
}
READ_BY = {
    "string": ("string",),
    "date": ("string", "integer"),
    "integer": ("integer",),
    "number": ("integer", "number"),
    "boolean": ("boolean",),
    "structure": ("array", "object"),
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """One line for a person to confirm: the rule, the column to make where there is none yet, and what to look at."""

    object: str
    table: str
    rule: FieldRule
    spec: ColumnSpec | None = None
    alias: str = ""
    issues: tuple[Issue, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """The line as the working plan keeps it."""
        return {
            "object": self.object,
            "source": self.rule.source,
            "table": self.table,
            "column": self.rule.column,
            "transform": self.rule.transform,
            "options": dict(self.rule.options),
            "new_column": spec_as_dict(self.spec) if self.spec else None,
            "alias": self.alias,
            "state": self.rule.state,
            "reason": self.rule.reason,
        }


def propose_map(
    profiles: Sequence[FieldProfile],
    playbook: Playbook,
    *,
    object_name: str,
    table: str,
    columns: Mapping[str, ColumnLike],
    prefix: str,
    settings: Mapping[str, str] | None = None,
) -> list[Proposal]:
    """A line for every profiled field of an object in one table, in the profiles' order.

    columns: the destination table's columns by name. settings: the engagement's names, the playbook's where they are missing. A known field
    takes its standard column, the first listed source name before the others; an object whose own fields are profiled, and a field that no
    record fills, is left with a reason; all else becomes a new column of its type.
    """
    names = {**playbook.settings, **(settings or {})}
    filled = {field_key(one.name): one.name for one in reversed(profiles) if one.filled and not set(one.types) <= STRUCTURES}
    chosen = _chosen(filled, _fields_of(playbook, object_name, table, columns), names)
    planned = {spec.name for spec in (*tracking_columns(prefix), *standing_columns(playbook, table, prefix))}
    taken = set(columns) | planned
    # Columns of our prefix that are there from an earlier engagement: a field of the same shape takes its column again.
    ours = {name for name in columns if name.startswith(f"{prefix}_")} - planned
    parents = {one.name.rpartition(".")[0] for one in profiles}
    proposals = []
    for one in profiles:
        if one.name in chosen:
            proposal = _known(one, chosen[one.name], table, prefix, playbook)
        elif reason := playbook.why_left(object_name, one.name) or _why_unused(one, parents):
            proposal = Proposal(object_name, table, FieldRule(one.name, "", state="left", reason=reason))
        else:
            proposal = propose_field(one, prefix, taken - ours, object_name=object_name, table=table)
            if _clashes(proposal.spec, columns):
                proposal = propose_field(one, prefix, taken, object_name=object_name, table=table)
            taken.add(proposal.rule.column)
            ours.discard(proposal.rule.column)
        proposals.append(proposal)
    return proposals


def _clashes(spec: ColumnSpec | None, columns: Mapping[str, ColumnLike]) -> bool:
    """Whether a column of that name is there in a shape that can't hold what the field needs."""
    there = columns.get(spec.name) if spec else None
    if spec is None or there is None:
        return False
    return there.kind != spec.kind or (there.max_length or 0) < (spec.max_length or 0)


def _why_unused(one: FieldProfile, parents: Collection[str]) -> str:
    if one.filled == 0:
        return "No record holds a value; the source can't delete fields, so unused ones stay behind."
    if one.name in parents and set(one.types) <= {"object", "null"}:
        return "Its own fields are mapped one by one."
    return ""


def _fields_of(playbook: Playbook, object_name: str, table: str, columns: Mapping[str, ColumnLike]) -> list[KnownField]:
    """The known fields of an object whose column in this table exists, or is one of ours."""
    known = [one for one in playbook.fields if one.object == object_name and table in one.columns]
    return [one for one in known if one.columns[table] in columns or one.columns[table].startswith("{prefix}_")]


def _chosen(filled: Mapping[str, str], fields: Sequence[KnownField], names: Mapping[str, str]) -> dict[str, KnownField]:
    """Source field -> the known field that it takes the column of: of several that fit, the first listed that any record fills."""
    chosen: dict[str, KnownField] = {}
    for known in fields:
        for source in known.sources:
            wanted = names[source[1:]] if source.startswith("@") else source
            found = filled.get(field_key(wanted))
            if found and found not in chosen:
                chosen[found] = known
                break
    return chosen


def _known(one: FieldProfile, known: KnownField, table: str, prefix: str, playbook: Playbook) -> Proposal:
    column = known.columns[table].replace("{prefix}", prefix)
    reason = known.reason or f"Known as {known.sources[0]}."
    rule = FieldRule(one.name, column, known.transform, known.options, f"{prefix}_original_values", reason=reason)
    return Proposal(known.object, table, rule, alias=known.alias or playbook.aliases(prefix).get(column, ""))


def propose_field(one: FieldProfile, prefix: str, taken: Collection[str] = (), *, object_name: str = "", table: str = "") -> Proposal:
    """A new typed column for a field that no playbook knows, by its declared type where the records bear it out, else by what they hold."""
    named = column_name(one.name, prefix, taken, table)
    sort, reason = _sort(one)
    reason = " ".join((reason, *(f"To review: {EXPLANATIONS[issue.code]}" for issue in named.issues)))
    transform, shape, options = _shape(one, sort)
    spec = ColumnSpec(name=named.name, display_name=one.name[:100], description=f"Source field {one.name}."[:2_000], **shape)
    rule = FieldRule(one.name, named.name, transform, options, f"{prefix}_original_values", reason=reason)
    return Proposal(object_name, table, rule, spec, issues=named.issues)


def _sort(one: FieldProfile) -> tuple[str, str]:
    """What a field holds (string, date, integer, number, boolean, structure) and the sentence that says why."""
    held = {kind: count for kind, count in one.types.items() if kind != "null"}
    total = sum(held.values())
    word = one.declared_type.casefold()
    declared = "structure" if "array" in word else DECLARED.get(word)
    if declared and total and _share(held, declared, total) >= MOST_OF_ONE_TYPE:
        return declared, f"Declared as {one.declared_type} at the source."
    if not declared and total and _read_as_dates(one, held):
        return "date", "Its commonest values read as dates."
    for sort in ("boolean", "integer", "number", "structure", "string"):
        if total and _share(held, sort, total) >= MOST_OF_ONE_TYPE:
            return sort, f"Its values are of type {sort}" + (f", though declared as {one.declared_type}." if declared else ".")
    return "string", "Its values are of several types; as text none is lost."


def _read_as_dates(one: FieldProfile, held: Mapping[str, int]) -> bool:
    return set(held) == {"string"} and bool(one.top) and all(MOMENT.fullmatch(value.strip()) for value, _ in one.top)


def _share(held: Mapping[str, int], sort: str, total: int) -> float:
    return sum(held.get(kind, 0) for kind in READ_BY[sort]) / total


def _shape(one: FieldProfile, sort: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The transform, the column's kind with its limits, and the transform's options."""
    if sort == "boolean":
        return "boolean", {"kind": "Boolean"}, {}
    if sort == "date":
        return _date_shape(one)
    if sort == "structure":
        return "json", {"kind": "Memo", "max_length": _length(one, MEMO_LENGTHS)}, {}
    if sort in ("integer", "number"):
        found = _number_shape(one, sort)
        if found:
            return found
    if (one.max_length or 0) * ROOM > STRING_LIMIT:
        return "memo", {"kind": "Memo", "max_length": _length(one, MEMO_LENGTHS)}, {}
    return "text", {"kind": "String", "max_length": _length(one, TEXT_LENGTHS)}, {}


def _date_shape(one: FieldProfile) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Days where no value is longer than a day; numbers are read as seconds or milliseconds by their size."""
    if one.types.get("integer"):
        return "datetime", {"kind": "DateTime", "format": "DateAndTime"}, {"epoch": "auto"}
    if (one.max_length or DAY_LENGTH + 1) <= DAY_LENGTH:
        return "date", {"kind": "DateTime", "format": "DateOnly"}, {}
    return "datetime", {"kind": "DateTime", "format": "DateAndTime"}, {}


def _number_shape(one: FieldProfile, sort: str) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
    """Whole numbers and decimals within the column types' ranges; None for longer ones, which are ids and become text."""
    if _within(one, "Integer") and sort == "integer" and not one.types.get("number"):
        return "integer", {"kind": "Integer"}, {}
    if not _within(one, "Decimal"):
        return None
    whole = sort == "integer" and not one.types.get("number")
    return "decimal", {"kind": "Decimal", "precision": 0 if whole else min(max(one.decimals, 2), 10)}, {}


def _within(one: FieldProfile, kind: str) -> bool:
    low, high = RANGES[kind]
    return (one.min is None or one.min >= low) and (one.max is None or one.max <= high)


def _length(one: FieldProfile, lengths: Sequence[int]) -> int:
    wanted = (one.max_length or 0) * ROOM
    return next((length for length in lengths if length >= wanted), lengths[-1])
