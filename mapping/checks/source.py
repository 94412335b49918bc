"""Checks of the source. A connector makes them itself, since only it knows its platform's calls; here stands what each is about."""

from mapping.checks.registry import Check, Choice, Decision, register
from workbench.engagements.models import Role

SOURCE = "Source"

FIELD_LIMIT = Decision(
    "The project is near its limit of unique fields, and fields can't be deleted there. What happens until the move is over?",
    (
        Choice("freeze", "Add no field", "The customer adds no field until the move is over; unused ones are left behind."),
        Choice("watch", "Go on as before", "New fields may be refused by the source; each one that comes is a question of its own."),
    ),
    Role.APPROVER,
    default="freeze",
    stops=(),
)

register(
    Check("data_centre", "Data centre", "source", SOURCE, "Whether the key is accepted in the data centre that the connection names."),
    Check("field_limit", "Unique fields", "source", SOURCE, "How near the project is to its limit of unique fields.", FIELD_LIMIT),
    Check("forgotten", "Forgotten people", "source", SOURCE, "How many people asked the source to be forgotten: they are skipped."),
    Check("rate_limit", "Rate limits", "source", SOURCE, "Whether the source refused some of the checks' own calls for their rate."),
    Check("people counted", "People", "source", SOURCE, "How many records discovery read, in how many slices."),
    Check("unreadable lines", "Unreadable lines", "source", SOURCE, "Lines of an export that are not one JSON object; kept and rejected."),
    Check("fields without a usable name", "Unusable field names", "source", SOURCE, "Fields that no map can name: blank or too long."),
)
