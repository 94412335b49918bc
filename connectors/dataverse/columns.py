"""Tables and columns as Dataverse describes them, and as we ask for new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table at the destination.

    kind: String, Memo, Integer, BigInt, Decimal, Double, Money, DateTime, Boolean, Choice, MultiChoice, Lookup, Customer, Owner,
        State, Status, Uniqueidentifier, File, Image, PartyList, or the service's own word for a rarer one.
    min, max: of numbers. precision: decimals that a number keeps. by_currency: of money that keeps as many as the row's currency has;
        then `precision` is the most that money has.
    required: None, Recommended, ApplicationRequired (a rule of forms), SystemRequired (enforced).
    options: value -> label. states: status value -> the state it belongs to. behavior, format: of dates and texts.
    navigation: lookup target -> the property to bind, in its exact case. secured: by a column security profile.
    """

    table: str
    name: str
    kind: str
    max_length: int | None = None
    min: float | None = None
    max: float | None = None
    precision: int | None = None
    by_currency: bool = False
    required: str = "None"
    targets: tuple[str, ...] = ()
    options: Mapping[int, str] = field(default_factory=dict)
    states: Mapping[int, int] = field(default_factory=dict)
    behavior: str = ""
    format: str = ""
    valid_for_create: bool = True
    valid_for_update: bool = True
    schema_name: str = ""
    display_name: str = ""
    navigation: Mapping[str, str] = field(default_factory=dict)
    secured: bool = False


def in_currency(columns: Mapping[str, Column], decimals: int) -> dict[str, Column]:
    """The columns as they are in rows of a currency that has so many decimals."""
    return {name: replace(column, precision=decimals) if column.by_currency else column for name, column in columns.items()}


BULK = ("Create", "Update")  # what there may be a message for many rows of; UpsertMultiple is there where both are


@dataclass(frozen=True, slots=True)
class Table:
    """A table at the destination with all its columns by logical name. bulk: of BULK, what one call may do for many of its rows.

    custom: somebody made it, Dynamics doesn't come with it.
    """

    name: str
    entity_set: str
    primary_id: str
    columns: Mapping[str, Column]
    primary_name: str = ""
    bulk: frozenset[str] = frozenset(BULK)
    custom: bool = False


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table to be created, owned by users and teams. `name` and `primary_name` (its name column, of 300 characters) are logical names
    with the prefix, used as schema names too."""  # fmt: skip

    name: str
    display_name: str
    collection_name: str
    description: str
    primary_name: str


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A column to be created. `name` is its logical name with the prefix, "mwb_sourceid", used as schema name too.

    kind: String, Memo, Integer, Decimal, Double, Money, DateTime, Boolean, Choice, MultiChoice, Lookup, File, Image.
    format: String: Text, Email, Phone, TextArea, Url; DateTime: DateOnly or DateAndTime, UserLocal unless `behavior` says
        otherwise. options: (value, label) of a choice. target: table of a lookup. max_length: in KB for a File.
    """

    name: str
    kind: str
    display_name: str
    description: str = ""
    max_length: int | None = None
    precision: int | None = None
    min: float | None = None
    max: float | None = None
    format: str | None = None
    options: Sequence[tuple[int, str]] = ()
    target: str | None = None
    behavior: str | None = None
