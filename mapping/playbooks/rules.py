"""What a playbook says, as frozen records; `reading` makes them of a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mapping.split import Outcome
from workbench.engagements.errors import BadInput


def field_key(name: str) -> str:
    """The form in which source names are one: letters and digits only, in lower case; `First_Name` is `firstName`."""
    return "".join(character for character in name.casefold() if character.isalnum())


@dataclass(frozen=True, slots=True)
class ObjectRule:
    """A source object and the tables that it becomes.

    after: objects that load before it though none of its lookups says so. choice: the setting by which the customer has it become other
    tables. choices: that setting's answer -> those tables; for every other answer `tables` stands.
    """

    name: str
    title: str
    kind: str
    tables: tuple[str, ...]
    cardinality: str = "1:1"
    note: str = ""
    after: tuple[str, ...] = ()
    choice: str = ""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def all_tables(self) -> tuple[str, ...]:
        """Every table that it may become."""
        return tuple(dict.fromkeys((*self.tables, *(table for tables in self.choices.values() for table in tables))))

    def tables_by(self, names: Mapping[str, str]) -> tuple[str, ...]:
        """The tables that it becomes by an engagement's settings."""
        return self.choices.get(names[self.choice], self.tables) if self.choice else self.tables


@dataclass(frozen=True, slots=True)
class TableRule:
    """A table that the plan makes at the destination, owned by users and teams. lookups: column stem -> the table that it leads to."""

    name: str
    display_name: str
    collection_name: str
    description: str = ""
    lookups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetRule:
    """An object that is landed slice by slice, or whole, beside people and the small answers.

    id: alternatives, the first that is filled is the record's id; fields with `/` between are one id together, `@name` stands for a
    setting's field; without any the record goes by its hash. discovery: what discovery lands: `whole`, `fields` (only `fields`, of every
    record) or `samples` (a count per value of `by`, with the first and last `moment`, and at most 1,000 records of each). documented:
    nothing of it moves, an inventory tells of it.
    """

    name: str
    discovery: str
    id: tuple[str, ...] = ()
    by: str = ""
    moment: str = ""
    fields: tuple[str, ...] = ()
    documented: bool = False


@dataclass(frozen=True, slots=True)
class RecordRule:
    """How the records of an object become rows, beside what its field maps say. `{prefix}` stands for the publisher's in column names.

    created: fields of the record's own moment, the first that reads as one; it goes to `moments` (columns). name: fields that fill the
    primary name, the first filled, else `name_default`; `name_template` has {name} in it. owner: '' the owner of rows without one,
    '@activities' the migration team's, '@parent' that of the first parent. repeats: of several records with one id the `latest` stands, or
    `each` does, told apart by a number. crosswalk: false where nothing looks up to the rows and none is matched. payload: the column
    that keeps the whole record but for `envelope` as JSON; its keys become typed columns within `budget`, and from `volume` records on a
    table of its own is offered. constants: column -> value. states: table -> value of `state_field` -> [statecode, statuscode], set in a
    late pass; '*' for every other value. beside: datasets joined by id, seen under that name. match: column by which rows that are there
    are found.
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
    """A lookup to a row of another object. keys: fields that name the parent, tried in order. absent: what a record without it does.

    columns: table that the parent became -> the lookup's column, for tables that don't have `column`.
    """

    object: str
    column: str
    parent: str
    keys: tuple[str, ...]
    absent: str = "hold"
    columns: Mapping[str, str] = field(default_factory=dict)


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
class ListedRule:
    """An object whose records lie in a list of another object's: `of` and its field `list`; a record has the item under the name `item`."""

    object: str
    of: str
    list: str
    item: str


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
    tables: tuple[TableRule, ...]
    datasets: tuple[DatasetRule, ...]
    records: tuple[RecordRule, ...]
    parents: tuple[ParentRule, ...]
    computed: tuple[ComputedRule, ...]
    buyers: tuple[BuyerRule, ...]
    members: tuple[MemberRule, ...]
    listed: tuple[ListedRule, ...]
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

    def mapped_tables(self, name: str, tables: Sequence[str]) -> tuple[str, ...]:
        """Of the tables that an object becomes those that take its fields: where a known field of it goes to, else its main one."""
        named = {table for rule in self.fields if rule.object == name for table in rule.columns}
        return tuple(table for table in tables if table in named) or tuple(tables[:1])

    def why_left(self, object_name: str, source: str) -> str:
        """The reason why a source field is left behind; empty where it isn't."""
        return next((rule.reason for rule in self.left if rule.object == object_name and rule.covers(source)), "")

    def read_by_rules(self, name: str, names: Mapping[str, str]) -> set[str]:
        """Source fields of an object that rules read, whatever the maps do with them. names: see `plan.names_of`."""
        record, one = self.record(name), self.identity
        fields = {*record.created, *record.name, record.state_field}
        fields |= {key for rule in self.parents if rule.object == name for key in rule.keys}
        fields |= {source for rule in self.computed if rule.object == name for source in rule.sources}
        fields |= {key for rule in self.buyers if rule.object == name for key in (*rule.keys, rule.total, rule.currency, rule.order_id)}
        if self.object(name).kind == "person":
            fields |= {*one.source_id, one.email, one.first_name, one.last_name, *one.full_names, one.updated, *one.created}
            fields |= {*self.consent_arrays.values(), "@lifecycle_field", "@owner_field"}
        return {names[field[1:]] if field.startswith("@") else field for field in fields}

    def aliases(self, prefix: str) -> dict[str, str]:
        """Column -> the name that the offer used for it, shown beside the true one."""
        return {f"{prefix}_{column.stem}": column.alias for column in self.columns if column.alias}
