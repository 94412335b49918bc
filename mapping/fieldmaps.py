"""Confirmed field rules, compiled once into one function from a raw record to a row's values and every issue at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import orjson

from mapping.issues import Issue
from mapping.transforms import MEMO_LIMIT, ColumnLike, TimeRules, Transform, Value, compile_transform, cut, utf16_length
from workbench.engagements.errors import BadInput

State = Literal["proposed", "confirmed", "left"]
MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Where one source field goes. Only confirmed rules move anything.

    source: key of the record; dots lead into nested objects unless the record has the dotted key itself. column: logical name, empty where
    the field is left behind. fallback_column: a memo that keeps whole texts as JSON, source -> text. reason: why it goes there or is left.
    """

    source: str
    column: str
    transform: str = "text"
    options: Mapping[str, Any] = field(default_factory=dict)
    fallback_column: str | None = None
    state: State = "proposed"
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The rule as the `maps` plan part keeps it."""
        return {**asdict(self), "options": dict(self.options)}

    @classmethod
    def from_row(cls, row: Mapping[str, Any], fallback_column: str | None = None) -> "FieldRule":
        """A rule of the `maps` plan part's `fields`. Raises BadInput where it can't be read."""
        try:
            return cls(
                source=row["source"],
                column=row["column"],
                transform=row["transform"],
                options=row.get("options") or {},
                fallback_column=row.get("fallback_column", fallback_column),
                state=row["state"],
                reason=row.get("reason", ""),
            )
        except KeyError as error:
            raise BadInput(f"The field rule {row.get('source')!r} has no {error}.") from error


@dataclass(slots=True)
class RowValues:
    """What a record gives a row: column -> value as the Web API takes it, empty columns left out; and all issues."""

    values: dict[str, Value]
    issues: list[Issue]


class RowMap:
    """A compiled map; call it with a raw record. `columns` are all it can fill, so that a caller can empty the ones it left out."""

    def __init__(self, steps: Sequence["_Step"], columns: Mapping[str, ColumnLike]) -> None:
        """Keep the compiled steps; `compile_fieldmaps` makes them."""
        fallbacks = dict.fromkeys(step.fallback for step in steps if step.fallback)
        self.columns: tuple[str, ...] = (*(step.column for step in steps), *fallbacks)
        self._steps = [(step.read, step.transform, step.column, step.field, step.fallback) for step in steps]
        self._limits = {name: (columns[name].max_length if name in columns else None) or MEMO_LIMIT for name in fallbacks}

    def __call__(self, record: Any) -> RowValues:
        """The row's values and issues; never raises on what a source said."""
        if not isinstance(record, Mapping):
            return RowValues({}, [Issue("record.not_an_object")])
        values: dict[str, Value] = {}
        issues: list[Issue] = []
        wholes: dict[str, dict[str, str]] = {}
        for read, transform, column, name, fallback in self._steps:
            raw = read(record)
            if raw is None:
                continue
            value, found, whole = transform(raw)
            if value is not None:
                values[column] = value
            if found:
                issues += found
            if whole is not None and fallback:
                wholes.setdefault(fallback, {})[name] = whole
        for fallback, texts in wholes.items():
            self.keep_whole(values, issues, fallback, texts)
        return RowValues(values, issues)

    def keep_whole(self, values: dict[str, Value], issues: list[Issue], fallback: str, texts: Mapping[str, str]) -> None:
        """Write whole texts into the fallback memo beside those it has, cut where together they are longer than it; with an issue."""
        kept = values.get(fallback)
        everything = {**(orjson.loads(kept) if isinstance(kept, str) else {}), **texts}
        text, shortened = original_values(everything, self._limits.get(fallback, MEMO_LIMIT))
        values[fallback] = text
        if shortened:
            issues.append(Issue("original_values.shortened", fallback, ", ".join(shortened), "loss"))


@dataclass(frozen=True, slots=True)
class _Step:
    field: str
    column: str
    read: Callable[[Mapping[str, Any]], Any]
    transform: Transform
    fallback: str | None


def compile_fieldmaps(fields: Sequence[FieldRule], columns: Mapping[str, ColumnLike], time: TimeRules | None = None) -> RowMap:
    """One function for all confirmed rules of one table; others are left out.

    columns: logical name -> column, of the destination or planned. Raises BadInput for a column that isn't among them, a column filled
    twice, and transforms that don't fit.
    """
    steps: list[_Step] = []
    filled: dict[str, str] = {}
    for rule in fields:
        if rule.state != "confirmed":
            continue
        if rule.column not in columns:
            raise BadInput(f"Field {rule.source}: there is no column {rule.column}.", remedy="Plan the column or choose another one.")
        if rule.column in filled:
            both = f"Fields {filled[rule.column]} and {rule.source} both fill {rule.column}."
            raise BadInput(both, remedy="Give one of them its own column.")
        filled[rule.column] = rule.source
        transform = compile_transform(rule.transform, field=rule.source, column=columns[rule.column], options=rule.options, time=time)
        steps.append(_Step(rule.source, rule.column, reader(rule.source), transform, rule.fallback_column))
    return RowMap(steps, columns)


def reader(source: str) -> Callable[[Mapping[str, Any]], Any]:
    """A function that finds a field: the key as it is written first, then along the dots, the longest written part first; else None."""
    if "." not in source:
        return lambda record: record.get(source)

    def read(record: Mapping[str, Any]) -> Any:
        found = _find(record, source)
        return None if found is MISSING else found

    return read


def _find(record: Any, path: str) -> Any:
    if not isinstance(record, Mapping):
        return MISSING
    if path in record:
        return record[path]
    head = path.rpartition(".")[0]
    while head:
        if head in record:
            found = _find(record[head], path[len(head) + 1 :])
            if found is not MISSING:
                return found
        head = head.rpartition(".")[0]
    return MISSING


def original_values(texts: Mapping[str, str], limit: int) -> tuple[str, list[str]]:
    """The JSON object of whole texts within `limit` UTF-16 code units, and the fields that had to be cut for it, the longest first."""
    kept, shortened = dict(texts), list[str]()
    while (excess := utf16_length(text := orjson.dumps(kept).decode()) - limit) > 0:
        longest = max(kept, key=lambda name: len(kept[name]))
        if not kept[longest]:
            return "{}", list(texts)
        kept[longest] = cut(kept[longest], max(utf16_length(kept[longest]) - max(excess, 8), 0))
        shortened += [] if longest in shortened else [longest]
    return text, shortened


def rules_of(maps: Mapping[str, Any], object_name: str, table: str) -> list[FieldRule]:
    """The rules of one object and table out of the `maps` plan part; whole texts go to the table's memo `{prefix}_original_values`."""
    fallback = f"{maps['prefix']}_original_values"
    return [FieldRule.from_row(row, fallback) for row in maps["fields"] if row["object"] == object_name and row["table"] == table]
