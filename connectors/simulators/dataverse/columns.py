"""What a column is: kind, limits, options, and how the Web API names and types it."""

from dataclasses import dataclass, field
from typing import Any

LOOKUP_KINDS = frozenset({"Lookup", "Customer", "Owner"})

# PrecisionSource: what says how many decimals a money column keeps, where it isn't the column's own Precision.
OF_ORGANISATION, OF_CURRENCY = 1, 2
LOGICAL_NAME_ANNOTATION = "@Microsoft.Dynamics.CRM.lookuplogicalname"


@dataclass(slots=True)
class Column:
    """One column. Kinds are the words of dataverse_columns.tsv plus Customer, Owner, MultiChoice, File and Image."""

    name: str
    kind: str
    schema_name: str = ""
    display_name: str = ""
    description: str = ""
    max_length: int | None = None
    min: float | None = None
    max: float | None = None
    precision: int | None = None
    precision_source: int | None = None
    required: str = "None"  # None, Recommended, ApplicationRequired, SystemRequired
    demanded: bool = False  # SystemRequired and not filled by the service itself
    targets: tuple[str, ...] = ()
    options: dict[int, str] = field(default_factory=dict)
    states: dict[int, int] = field(default_factory=dict)  # status reason -> state
    default: Any = None
    behavior: str = "UserLocal"  # of dates: UserLocal, DateOnly, TimeZoneIndependent
    format: str = ""
    valid_for_create: bool = True
    valid_for_update: bool = True
    custom: bool = False
    secured: bool = False  # by a column security profile
    metadata_id: str = ""
    global_options: str | None = None
    navigations: dict[str, str] = field(default_factory=dict)  # target -> navigation property
    auto_number: str = ""
    extra: dict[str, Any] = field(default_factory=dict)  # metadata properties kept as they were sent

    @property
    def is_lookup(self) -> bool:
        """True for every kind that points at a row."""
        return self.kind in LOOKUP_KINDS

    @property
    def polymorphic(self) -> bool:
        """True where the read form must say which table the row is in."""
        return len(self.targets) > 1

    @property
    def read_name(self) -> str:
        """The name in a row as the Web API reads it."""
        return f"_{self.name}_value" if self.is_lookup else self.name

    @property
    def type_annotation(self) -> str:
        """The row key that holds the target table of a lookup with several targets."""
        return f"_{self.name}_value{LOGICAL_NAME_ANNOTATION}"

    @property
    def readable(self) -> bool:
        """False for party lists, which have no property of their own in a row."""
        return self.kind != "PartyList"
