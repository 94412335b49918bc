"""What a table is: its names, columns, keys, navigation properties and relationships."""

from dataclasses import dataclass, field
from typing import Any

from .columns import Column

RIGHTS = ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign", "Share")
OWNED_ONLY = ("Assign", "Share")
CASCADES = ("Assign", "Delete", "Merge", "Reparent", "Share", "Unshare")


@dataclass(slots=True)
class Key:
    """An alternate key. Its index is built after it is asked for, `begins_at` to `ready_at` in seconds of the organisation's clock."""

    name: str
    schema_name: str
    columns: tuple[str, ...]
    metadata_id: str
    display_name: str = ""
    begins_at: float = 0.0
    ready_at: float = 0.0
    settled: bool = False  # built, or given up
    failed: bool = False

    def status(self, now: float) -> str:
        """Pending, InProgress, Active or Failed."""
        if self.settled:
            return "Failed" if self.failed else "Active"
        return "Pending" if now < self.begins_at else "InProgress"


@dataclass(slots=True)
class Relationship:
    """A 1:N relationship of one lookup column to one target, or an N:N relationship with its intersect table."""

    schema_name: str
    metadata_id: str
    referenced: str = ""
    referencing: str = ""
    column: str = ""
    navigation: str = ""  # on the referencing table, single-valued
    collection: str = ""  # on the referenced table
    cascade: dict[str, str] = field(default_factory=dict)
    custom: bool = False
    entity1: str = ""  # N:N only, with entity2 and intersect
    entity2: str = ""
    intersect: str = ""
    ends: dict[str, str] = field(default_factory=dict)  # N:N only: table -> its column in rows of the intersect, `{table}id` where none

    def end(self, table: str) -> str:
        """The column of the intersect that holds the id of a row of this table."""
        return self.ends.get(table, f"{table}id")

    def other(self, table: str) -> str:
        """The table at the other end of an N:N relationship."""
        return self.entity2 if self.entity1 == table else self.entity1

    @property
    def many_to_many(self) -> bool:
        """True for N:N."""
        return bool(self.intersect)

    @property
    def on_delete(self) -> str:
        """Cascade, RemoveLink, Restrict or NoCascade."""
        return self.cascade.get("Delete", "RemoveLink")


@dataclass(slots=True)
class Table:
    """One table as the catalog holds it. `revision` rises with each change, so that what was compiled from it is made anew."""

    name: str
    schema_name: str
    entity_set: str
    primary_id: str
    primary_name: str
    type_code: int
    ownership: str = "UserOwned"  # UserOwned, OrganizationOwned, None
    display_name: str = ""
    collection_name: str = ""
    description: str = ""
    activity: bool = False
    custom: bool = False
    installed: bool = False  # comes with an app of the maker's own: custom and managed in the metadata
    audited: bool = False
    intersect: bool = False
    private: bool = False
    bpf: bool = False
    has_notes: bool = False
    has_activities: bool = False
    takes_columns: bool = True
    bulk: bool = True  # CreateMultiple and UpdateMultiple exist
    metadata_id: str = ""
    columns: dict[str, Column] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    navigations: dict[str, tuple[Column, tuple[str, ...]]] = field(default_factory=dict)
    relationships: list[Relationship] = field(default_factory=list)  # this table refers (1:N)
    children: list[Relationship] = field(default_factory=list)  # this table is referred to (1:N)
    many: list[Relationship] = field(default_factory=list)
    compiled: dict[str, Any] = field(default_factory=dict)

    @property
    def has_state(self) -> bool:
        """True where rows carry statecode and statuscode."""
        return "statecode" in self.columns

    @property
    def user_owned(self) -> bool:
        """True where rows have an owner."""
        return self.ownership == "UserOwned"

    def privileges(self) -> list[tuple[str, str]]:
        """(right, privilege) for each right on the table; activities share one set, and only what has an owner is assigned or shared."""
        schema = "Activity" if self.activity else self.schema_name
        rights = () if self.intersect else RIGHTS
        return [(right, f"prv{right}{schema}") for right in rights if self.user_owned or right not in OWNED_ONLY]

    def changed(self) -> None:
        """Forget what was compiled from the columns."""
        self.compiled.clear()
