"""What the service would say to the body of a row: every value, what must be there, what doesn't go together, and what it refers to."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from connectors.dataverse.metadata import Column, Table
from loads.rehearsal.values import ARGUMENT, WRONG_TYPE, Fault, compile_check
from loads.verification import BIND

REQUIRED, STATUS, CLOSED_BY_MESSAGE, NO_CAMPAIGN = "0x80040200", "0x80048408", "0x80100005", "0x8004030a"
PRODUCT_AND_TEXT, UNIT_AND_TEXT = "0x80043afb", "0x80043afa"
IGNORED, WANTED = "column.ignored", "column.business_required"  # what the service takes, and what becomes of it
# System-required columns that the service fills itself; metadata doesn't tell them from those that a create must give.
FILLED = frozenset(
    {"activityid", "administratorid", "businessunitid", "domainname", "ordernumber", "organizationid", "owningbusinessunit", "parentid",
     "quotenumber", "transactioncurrencyid"}
)  # fmt: skip
FILLED_IN = frozenset({("productpricelevel", "productnumber")})
DEMANDED_KINDS = ("String", "Memo", "Lookup", "Customer")
ALSO_DEMANDED = frozenset({("list", "createdfromcode")})
_REFERENCE = re.compile(r"/?(\w+)\(([^()]+)\)")
_LINES = ("opportunityproduct", "salesorderdetail", "quotedetail", "invoicedetail")
_ENDED_BY_MESSAGE: Mapping[str, tuple[int, ...]] = {"opportunity": (1, 2), "salesorder": (2, 3)}
CODES_OF_ENDING = {"opportunity": CLOSED_BY_MESSAGE, "salesorder": ARGUMENT}


class Reference(NamedTuple):
    """A row that a body binds a lookup to. entity_set, row_id: as they stand in the address."""

    column: str
    entity_set: str
    row_id: str
    owner: bool


class Bodies:
    """Checks the bodies of one table's rows that are created, or of those that are updated.

    sets: logical name -> entity set of every table that may be referred to.
    """

    def __init__(self, table: Table, *, create: bool, sets: Mapping[str, str]) -> None:
        """Compile a check per property."""
        self.table, self.create = table, create
        self._checks: dict[str, Callable[[Any], Fault | None]] = {}
        self._ignored: set[str] = set()
        self._lookups: dict[str, tuple[Column, frozenset[str]]] = {}
        for column in table.columns.values():
            self._checks[column.name] = compile_check(column)
            if not (column.valid_for_create if create else column.valid_for_update) and column.name != table.primary_id:
                self._ignored.add(column.name)
            for target, navigation in column.navigation.items():
                _, known = self._lookups.get(navigation, (column, frozenset[str]()))
                self._lookups[navigation] = column, known | {sets.get(target, target)}
        self._demanded = [column for column in table.columns.values() if create and _is_demanded(table.name, column)]
        self._wanted = [
            column for column in table.columns.values() if create and column.required == "ApplicationRequired" and column.valid_for_create
        ]

    def faults(self, body: Mapping[str, Any]) -> list[Fault]:
        """Why the service would refuse the body, whatever there is at the destination."""
        found = self.values(body)
        found += [Fault(REQUIRED, column.name, "nothing is given") for column in self._demanded if not self._is_given(column, body)]
        return [*found, *self._together(body)]

    def values(self, body: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with single values."""
        return list(filter(None, (self._property(key, value) for key, value in body.items())))

    def _property(self, key: str, value: Any) -> Fault | None:
        if key.endswith(BIND):
            return self._bound(key.removesuffix(BIND), value)
        check = self._checks.get(key)
        if check is None:
            return None if "@" in key else Fault(WRONG_TYPE, key, "there is no such column")
        return None if value is None or key in self._ignored else check(value)

    def _bound(self, navigation: str, value: Any) -> Fault | None:
        known = self._lookups.get(navigation)
        if known is None:
            return Fault(WRONG_TYPE, navigation, "there is no such lookup")
        column, sets = known
        if value is None:
            return Fault(ARGUMENT, column.name, "an owner can't be taken away") if column.kind == "Owner" else None
        found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if found is None or found.group(1) not in sets:
            return Fault(WRONG_TYPE, column.name, "it doesn't lead to such rows")
        return None

    def _is_given(self, column: Column, body: Mapping[str, Any]) -> bool:
        if column.navigation:
            return any(body.get(navigation + BIND) for navigation in column.navigation.values())
        return body.get(column.name) not in (None, "")

    def _together(self, body: Mapping[str, Any]) -> Iterator[Fault]:
        name = self.table.name
        if "statuscode" in body or "statecode" in body:
            yield from self._states(body)
        if name in _LINES and body.get("productdescription"):
            if body.get(f"productid{BIND}"):
                yield Fault(PRODUCT_AND_TEXT, "productdescription", "a product and a description of one")
            elif body.get(f"uomid{BIND}"):
                yield Fault(UNIT_AND_TEXT, "productdescription", "a unit and a description of a product")
        if name == "campaignresponse" and self.create and not any(key.startswith("regardingobjectid_campaign") for key in body):
            yield Fault(NO_CAMPAIGN, "regardingobjectid", "a response needs a campaign")

    def _states(self, body: Mapping[str, Any]) -> Iterator[Fault]:
        """A status reason of another state; a new row is in the state that its status reason belongs to, where it may say so."""
        state, status = body.get("statecode"), body.get("statuscode")
        fault = self.misfit(state, status) if state is not None and status is not None and "statecode" not in self._ignored else None
        if fault:
            yield fault
        if not self.create and state in _ENDED_BY_MESSAGE.get(self.table.name, ()):
            yield Fault(CODES_OF_ENDING[self.table.name], "statecode", "it is closed by a message of its own")

    def misfit(self, state: int, status: int) -> Fault | None:
        """A status reason that is of another state."""
        states = self.table.columns["statuscode"].states if "statuscode" in self.table.columns else {}
        return Fault(STATUS, "statuscode", f"{status} isn't of state {state}") if states and states.get(status) != state else None

    def references(self, body: Mapping[str, Any]) -> Iterator[Reference]:
        """The rows that the body refers to."""
        for key, value in body.items():
            if not key.endswith(BIND) or not isinstance(value, str):
                continue
            known, found = self._lookups.get(key.removesuffix(BIND)), _REFERENCE.fullmatch(value)
            if known and found and not found.group(2).startswith("@"):  # what a run binds itself is there in time
                yield Reference(known[0].name, found.group(1), found.group(2).lower(), known[0].kind == "Owner")

    def remarks(self, body: Mapping[str, Any]) -> Iterator[Fault]:
        """What the service takes, but not as it is meant: values that it ignores, and fields that its forms demand."""
        for name in self._ignored & body.keys():
            if body[name] is not None:
                yield Fault(IGNORED, name, "the service leaves the value out")
        for column in self._wanted:
            if not self._is_given(column, body):
                yield Fault(WANTED, column.name, "the app's forms ask for it")


def _is_demanded(table: str, column: Column) -> bool:
    if (table, column.name) in ALSO_DEMANDED:
        return True
    named = column.required == "SystemRequired" and column.kind in DEMANDED_KINDS and column.valid_for_create
    return named and column.name not in FILLED and (table, column.name) not in FILLED_IN
