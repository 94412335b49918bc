"""How deals and orders are closed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workbench.engagements.errors import BadInput


@dataclass(frozen=True, slots=True)
class Ending:
    """A way in which rows end: the message, and the state and the reason that it sets."""

    message: str
    state: int
    status: int


@dataclass(frozen=True, slots=True)
class Closing:
    """How rows of a table are closed: the activity that each of its endings adds with the values it takes, and the columns that it sets.

    told: column of a closed row -> the staged value that it holds. day: the one of them that the service takes from the close's moment, in
    a zone of its own, so that it may be a day off; "" where it stays as the service has it. endings: the first is that of rows that name
    none.
    """

    activity: str
    parameter: str
    values: tuple[str, ...]
    told: Mapping[str, str]
    endings: tuple[Ending, ...]
    day: str = ""

    def ending(self, values: Mapping[str, Any]) -> Ending:
        """The ending that values name by their statecode, with their statuscode as its reason. Raises BadInput for an open state."""
        first = self.endings[0]
        state = values.get("statecode", first.state)
        found = next((one for one in self.endings if one.state == state), None)
        if found is None:
            raise BadInput(f"No message ends a row in state {state}.", remedy="Correct the states in the object's rule.")
        return replace(found, status=values.get("statuscode", found.status))

    def is_closed(self, there: Mapping[str, Any]) -> bool:
        """Whether a row is in the state of one of the endings."""
        return there.get("statecode") in {one.state for one in self.endings}


OPEN = 0  # statecode of what was made and isn't closed, completed or deactivated yet; products have states of their own
NAME = "subject"
OF_DEAL, OF_ORDER = (NAME, "actualrevenue", "actualend"), (NAME, "actualend")
OF_DEALS = {"actualvalue": "actualrevenue", "actualclosedate": "day"}
WON, LOST = Ending("WinOpportunity", 1, 3), Ending("LoseOpportunity", 2, 4)
FULFILLED = Ending("FulfillSalesOrder", 3, 100001)
CLOSINGS: Mapping[str, Closing] = {
    "opportunity": Closing("opportunityclose", "OpportunityClose", OF_DEAL, OF_DEALS, (WON, LOST), "actualclosedate"),
    "salesorder": Closing("orderclose", "OrderClose", OF_ORDER, {"datefulfilled": "day"}, (FULFILLED,)),
}
