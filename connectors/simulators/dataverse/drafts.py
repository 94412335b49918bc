"""A row about to be written, with all that the checks need to know."""

from dataclasses import dataclass, field
from typing import Any

from .calls import Call
from .organisation import Organisation
from .store import Row
from .tables import Relationship, Table


@dataclass(slots=True)
class Draft:
    """`before` is None at create; `given` are the columns that the client wrote, ignored ones left out."""

    org: Organisation
    call: Call
    table: Table
    before: Row | None
    new: Row
    row_id: str = ""
    given: set[str] = field(default_factory=set)
    nested: list[tuple[Relationship, list[Any]]] = field(default_factory=list)

    @property
    def creating(self) -> bool:
        """True for a new row."""
        return self.before is None
