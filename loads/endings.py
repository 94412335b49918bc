"""How deals and orders are closed."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ending:
    """The message that closes a row, the activity that it adds with the values it takes, and what it sets: columns and the state.

    told: column of a closed row -> the staged value that it holds. day: the one of them that the service takes from the close's moment, in
    a zone of its own, so that it may be a day off.
    """

    message: str
    activity: str
    parameter: str
    values: tuple[str, ...]
    settles: tuple[str, ...]
    state: int
    status: int
    told: Mapping[str, str] = field(default_factory=dict)
    day: str = ""


OF_DEAL, OF_ORDER = ("subject", "actualrevenue", "actualend"), ("subject", "actualend")
WON, FULFILLED = {"actualvalue": "actualrevenue", "actualclosedate": "day"}, ("datefulfilled",)
ENDINGS: Mapping[str, Ending] = {
    "opportunity": Ending("WinOpportunity", "opportunityclose", "OpportunityClose", OF_DEAL, tuple(WON), 1, 3, WON, "actualclosedate"),
    "salesorder": Ending("FulfillSalesOrder", "orderclose", "OrderClose", OF_ORDER, FULFILLED, 3, 100001),
}
