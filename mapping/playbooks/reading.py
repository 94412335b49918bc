"""Reads a playbook file into frozen records and names every mistake in it at once."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from mapping.split import OUTCOMES, Outcome
from mapping.transforms import TRANSFORMS
from workbench.engagements.errors import BadInput

KINDS = ("String", "Memo", "Integer", "Decimal", "Double", "Money", "DateTime", "Boolean")
OBJECT_KINDS = ("company", "person", "record", "campaign", "list", "membership", "product", "order", "order_line")
COMPUTATIONS = ("first", "join", "sum", "ratio")
REPEATS = ("latest", "each")
ABSENT = ("hold", "leave")
DISCOVERIES = ("whole", "fields", "samples")
Record = TypeVar("Record")


def field_key(name: str) -> str:
    """The form in which source names are one: letters and digits only, in lower case; `First_Name` is `firstName`."""
    return "".join(character for character in name.casefold() if character.isalnum())


@dataclass(frozen=True, slots=True)
class ObjectRule:
    """A source object and the tables that it becomes."""

    name: str
    title: str
    kind: str
    tables: tuple[str, ...]
    cardinality: str = "1:1"
    note: str = ""


@dataclass(frozen=True, slots=True)
class DatasetRule:
    """An object that is landed slice by slice, or whole, beside people and the small answers.

    id: alternatives, the first that is filled is the record's id; fields with `/` between are one id together, `@name` stands for a
    setting's field; without any the record goes by its hash. discovery: what discovery lands: `whole`, `fields` (only `fields`, of every
    record) or `samples` (a count per value of `by`, with the first and last `moment`, and at most 1,000 records of each).
    """

    name: str
    discovery: str
    id: tuple[str, ...] = ()
    by: str = ""
    moment: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordRule:
    """How the records of an object become rows, beside what its field maps say. `{prefix}` stands for the publisher's in column names.

    created: fields of the record's own moment, the first that reads as one; it goes to `moments` (columns). name: fields that fill the
    primary name, the first filled, else `name_default`; `name_template` has {name} in it. owner: '' the owner of rows without one,
    '@activities' the migration team's, '@parent' that of the first parent. repeats: of several records with one id the `latest` stands, or
    `each` does, told apart by a number. crosswalk: false where nothing looks up to the rows and none is matched. payload: the column
    that keeps the whole record but for `envelope` as JSON; its keys become typed columns within `budget`, and from `volume` records on a
    table of its own is offered. constants: column -> value. states: value of `state_field` -> [statecode, statuscode], set in a late pass;
    '*' for every other value. beside: datasets joined by id, seen under that name. match: column by which rows that are there are found.
    """

    object: str
    created: tuple[str, ...] = ()
    moments: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    name_default: str = ""
    name_template: str = "{name}"
    owner: str = ""
    repeats: str = "latest"
    crosswalk: bool = True
    payload: str = ""
    envelope: tuple[str, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    state_field: str = ""
    states: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    match: str = ""


@dataclass(frozen=True, slots=True)
class ParentRule:
    """A lookup to a row of another object. keys: fields that name the parent, tried in order. absent: what a record without it does."""

    object: str
    column: str
    parent: str
    keys: tuple[str, ...]
    absent: str = "hold"


@dataclass(frozen=True, slots=True)
class ComputedRule:
    """A field that is made of others, before the maps see the record.

    how: `first` filled one of the sources, `join` of them with `by` between, `sum`, or `ratio` of their sum to that of `per` (0 to 100).
    """

    object: str
    name: str
    how: str
    sources: tuple[str, ...]
    by: str = ""
    per: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuyerRule:
    """Which landed object says who bought for how much: a record's fields with names of its person, the best first, and its money."""

    object: str
    keys: tuple[str, ...]
    total: str
    currency: str
    order_id: str


@dataclass(frozen=True, slots=True)
class MemberRule:
    """Which landed object says who is on lists that profiles don't name: its fields with the list's id and a name of the person."""

    object: str
    list: str
    user: str


@dataclass(frozen=True, slots=True)
class KnownField:
    """Source names that mean one thing, and its column per table; `{prefix}` stands for the publisher's, `@name` for a setting's field."""

    object: str
    sources: tuple[str, ...]
    transform: str
    columns: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    alias: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeftField:
    """Source names that are left behind, with the reason that the customer reads; `.*` at the end covers what is nested below."""

    object: str
    sources: tuple[str, ...]
    reason: str

    def covers(self, name: str) -> bool:
        """Whether a source field is one of these."""
        return any(name == source or (source.endswith(".*") and name.startswith(source[:-1])) for source in self.sources)


@dataclass(frozen=True, slots=True)
class StandingColumn:
    """A column that tables get whatever the source's fields are; `stem` follows the publisher's prefix."""

    tables: tuple[str, ...]
    stem: str
    kind: str
    display_name: str
    description: str = ""
    max_length: int | None = None
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """The source fields that say who a record is and when it changed, and the columns by which existing rows are sought."""

    source_id: tuple[str, ...]
    email: str
    first_name: str
    last_name: str
    updated: str
    created: tuple[str, ...] = ()
    full_names: tuple[str, ...] = ()
    match_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Playbook:
    """A platform's proposals: names with defaults, objects, split, consent arrays, columns, known fields and what is left behind."""

    platform: str
    title: str
    settings: Mapping[str, str]
    identity: Identity
    objects: tuple[ObjectRule, ...]
    datasets: tuple[DatasetRule, ...]
    records: tuple[RecordRule, ...]
    parents: tuple[ParentRule, ...]
    computed: tuple[ComputedRule, ...]
    buyers: tuple[BuyerRule, ...]
    members: tuple[MemberRule, ...]
    matrix: Mapping[str, Outcome]
    consent_arrays: Mapping[str, str]
    columns: tuple[StandingColumn, ...]
    fields: tuple[KnownField, ...]
    left: tuple[LeftField, ...]
    role_addresses: frozenset[str]
    free_mail_domains: frozenset[str]

    def object(self, name: str) -> ObjectRule:
        """A source object's rule. Raises BadInput for one that the playbook doesn't know."""
        for rule in self.objects:
            if rule.name == name:
                return rule
        raise BadInput(f"The playbook {self.platform} has no object {name!r}.")

    def dataset(self, name: str) -> DatasetRule:
        """A dataset's rule. Raises BadInput for one that the playbook doesn't know."""
        for rule in self.datasets:
            if rule.name == name:
                return rule
        raise BadInput(f"The playbook {self.platform} has no dataset {name!r}.")

    def record(self, name: str) -> RecordRule:
        """How an object's records become rows; the defaults where the playbook says nothing."""
        return next((rule for rule in self.records if rule.object == name), RecordRule(name))

    def mapped_tables(self, name: str) -> tuple[str, ...]:
        """The tables that take an object's fields: those that a known field of it goes to, else its main one."""
        named = {table for rule in self.fields if rule.object == name for table in rule.columns}
        tables = self.object(name).tables
        return tuple(table for table in tables if table in named) or tables[:1]

    def why_left(self, object_name: str, source: str) -> str:
        """The reason why a source field is left behind; empty where it isn't."""
        return next((rule.reason for rule in self.left if rule.object == object_name and rule.covers(source)), "")

    def aliases(self, prefix: str) -> dict[str, str]:
        """Column -> the name that the offer used for it, shown beside the true one."""
        return {f"{prefix}_{column.stem}": column.alias for column in self.columns if column.alias}


def read_playbook(path: Path) -> Playbook:
    """A playbook from its file. Raises BadInput with all mistakes, each with its place."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path.name} is no valid TOML: {error}") from error
    mistakes: list[str] = []
    playbook = _playbook(content, mistakes)
    if playbook is not None:
        mistakes += _contradictions(playbook)
    if playbook is None or mistakes:
        raise BadInput(f"{path.name} has mistakes: {'; '.join(mistakes)}.", remedy="Correct the playbook file.")
    return playbook


def _playbook(content: dict[str, Any], mistakes: list[str]) -> Playbook | None:
    more = {"datasets": DatasetRule, "records": RecordRule, "parents": ParentRule, "computed": ComputedRule}
    more |= {"buyers": BuyerRule, "members": MemberRule}
    lists = {"objects": ObjectRule, **more, "columns": StandingColumn, "fields": KnownField, "left": LeftField}
    known = {"platform", "title", "settings", "identity", "split", "consent", "role_addresses", "free_mail_domains", *lists}
    mistakes += [f"unknown key {key!r}" for key in sorted(set(content) - known)]
    mistakes += [f"no {key}" for key in sorted(known - set(content) - set(more))]
    if mistakes:
        return None
    read = {name: _records(kind, content.get(name, []), name, mistakes) for name, kind in lists.items()}
    identity = _records(Identity, [content["identity"]], "identity", mistakes)
    if mistakes:
        return None
    return Playbook(
        platform=content["platform"],
        title=content["title"],
        settings=content["settings"],
        identity=identity[0],
        matrix=content["split"].get("matrix", {}),
        consent_arrays=content["consent"].get("arrays", {}),
        role_addresses=frozenset(content["role_addresses"]),
        free_mail_domains=frozenset(content["free_mail_domains"]),
        **read,
    )


def _records(kind: Callable[..., Record], entries: Any, place: str, mistakes: list[str]) -> tuple[Record, ...]:
    """The entries of one list as records; wrong keys and types go to `mistakes` with their place."""
    records: list[Record] = []
    for number, entry in enumerate(entries, start=1):
        where = f"{place} {number}"
        found = _entry_mistakes(kind, entry, where)
        mistakes += found
        if not found:
            records.append(kind(**{key: _frozen(value) for key, value in entry.items()}))
    return tuple(records)


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return {key: _frozen(part) for key, part in value.items()} if isinstance(value, dict) else value


def _entry_mistakes(kind: Any, entry: Any, where: str) -> list[str]:
    if not isinstance(entry, dict):
        return [f"{where} is no table"]
    types = {part.name: str(part.type) for part in fields(kind)}
    required = [part.name for part in fields(kind) if _is_required(part)]
    wrong = [f"{where} has an unknown key {key!r}" for key in entry if key not in types]
    wrong += [f"{where} has no {key}" for key in required if key not in entry]
    return wrong + [f"{where}: {key} is a {type(value).__name__}" for key, value in entry.items() if not _fits(types.get(key, ""), value)]


def _is_required(part: Any) -> bool:
    """A dataclass field without default and factory; both are then the one marker of the dataclasses module."""
    return part.default is part.default_factory


def _fits(annotation: str, value: Any) -> bool:
    if "tuple[str" in annotation and "Mapping" not in annotation:
        return isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value)
    if "Mapping" in annotation:
        return isinstance(value, dict)
    if "bool" in annotation:
        return isinstance(value, bool)
    if "int" in annotation:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str) or not annotation


def _contradictions(playbook: Playbook) -> list[str]:
    checks = (_wrong_settings, _wrong_matrix, _wrong_kinds, _wrong_records, _wrong_words, _wrong_fields, _wrong_left, _doubled)
    return [mistake for check in checks for mistake in check(playbook)]


def _wrong_settings(playbook: Playbook) -> Iterable[str]:
    for name, value in playbook.settings.items():
        if not isinstance(value, str):
            yield f"setting {name} is no text"


def _wrong_matrix(playbook: Playbook) -> Iterable[str]:
    for stage, outcome in playbook.matrix.items():
        if outcome not in OUTCOMES:
            yield f"stage {stage!r} has the outcome {outcome!r}, which is none of {', '.join(OUTCOMES)}"
        if stage != stage.strip().casefold():
            yield f"stage {stage!r} is not trimmed and in lower case"


def _wrong_kinds(playbook: Playbook) -> Iterable[str]:
    for rule in playbook.objects:
        if rule.kind not in OBJECT_KINDS:
            yield f"object {rule.name} is of kind {rule.kind!r}, which is none of {', '.join(OBJECT_KINDS)}"
    for dataset in playbook.datasets:
        if dataset.discovery not in DISCOVERIES:
            yield f"dataset {dataset.name} is discovered as {dataset.discovery!r}, which is none of {', '.join(DISCOVERIES)}"
        for part in (one for alternative in (*dataset.id, *dataset.fields) for one in alternative.split("/")):
            if part.startswith("@") and part[1:] not in playbook.settings:
                yield f"dataset {dataset.name} stands on the setting {part[1:]!r}, which there is not"
    for column in playbook.columns:
        if column.kind not in KINDS:
            yield f"column {column.stem} is of kind {column.kind!r}, which is none of {', '.join(KINDS)}"


def _wrong_records(playbook: Playbook) -> Iterable[str]:
    names = {rule.name for rule in playbook.objects}
    rules: tuple[RecordRule | ParentRule | ComputedRule, ...] = (*playbook.records, *playbook.parents, *playbook.computed)
    yield from (f"a rule is of the object {rule.object!r}, which there is not" for rule in rules if rule.object not in names)
    yield from (f"{rule.object} looks up to {rule.parent!r}, which there is not" for rule in playbook.parents if rule.parent not in names)
    chosen: list[tuple[str, str, tuple[str, ...]]] = [(f"repeats of {rule.object}", rule.repeats, REPEATS) for rule in playbook.records]
    chosen += [(f"absent of {rule.object}.{rule.column}", rule.absent, ABSENT) for rule in playbook.parents]
    chosen += [(f"how of {rule.object}.{rule.name}", rule.how, COMPUTATIONS) for rule in playbook.computed]
    yield from (f"{what} is {value!r}, which is none of {', '.join(known)}" for what, value, known in chosen if value not in known)


def _wrong_words(playbook: Playbook) -> Iterable[str]:
    for word in sorted(playbook.role_addresses | playbook.free_mail_domains):
        if word != word.strip().lower():
            yield f"{word!r} is not trimmed and in lower case"


def _wrong_fields(playbook: Playbook) -> Iterable[str]:
    tables = {rule.name: rule.tables for rule in playbook.objects}
    for known in playbook.fields:
        where = f"field {known.sources[0]}"
        if known.transform not in TRANSFORMS:
            yield f"{where} has the transform {known.transform!r}, which there is not"
        if known.object not in tables:
            yield f"{where} is of the object {known.object!r}, which there is not"
        for table in set(known.columns) - set(tables.get(known.object, ())):
            yield f"{where} goes to {table}, which {known.object} doesn't become"
        for source in known.sources:
            if source.startswith("@") and source[1:] not in playbook.settings:
                yield f"{where} stands for the setting {source[1:]!r}, which there is not"


def _wrong_left(playbook: Playbook) -> Iterable[str]:
    tables = {rule.name for rule in playbook.objects}
    for rule in playbook.left:
        if rule.object not in tables:
            yield f"left field {rule.sources[0]} is of the object {rule.object!r}, which there is not"
        if not rule.reason.strip():
            yield f"left field {rule.sources[0]} has no reason"


def _doubled(playbook: Playbook) -> Iterable[str]:
    """Source names and columns that two entries claim."""
    claimed: set[tuple[str, ...]] = set()
    entries: tuple[KnownField | LeftField, ...] = (*playbook.fields, *playbook.left)
    for entry in entries:
        for source in entry.sources:
            key = ("source", entry.object, field_key(source) if source[0] != "@" and not source.endswith(".*") else source)
            if key in claimed:
                yield f"{source} of {entry.object} is listed twice"
            claimed.add(key)
    for known in playbook.fields:
        for table, column in known.columns.items():
            if (known.object, table, column) in claimed:
                yield f"column {column} of {table} is filled by two fields"
            claimed.add((known.object, table, column))
