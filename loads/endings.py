"""How deals and orders are closed."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    """The message that closes a row, the activity that it adds with the values it takes, and what it sets: columns and the state.

    told: column of a closed row -> the staged value that it holds. day: the one of them that the service takes from the close's moment, in
    a zone of its own, so that it may be a day off; "" where it stays as the service has it.
    """

    message: str
    activity: str
    parameter: str
    values: tuple[str, ...]
    told: Mapping[str, str]
    state: int
    status: int
    day: str = ""


NAME = "subject"
OF_DEAL, OF_ORDER = (NAME, "actualrevenue", "actualend"), (NAME, "actualend")
WON = {"actualvalue": "actualrevenue", "actualclosedate": "day"}
ENDINGS: Mapping[str, Ending] = {
    "opportunity": Ending("WinOpportunity", "opportunityclose", "OpportunityClose", OF_DEAL, WON, 1, 3, "actualclosedate"),
    "salesorder": Ending("FulfillSalesOrder", "orderclose", "OrderClose", OF_ORDER, {"datefulfilled": "day"}, 3, 100001),
}
