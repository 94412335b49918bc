"""Checks of the source. A connector makes them itself, since only it knows its platform's calls; here stands what each is about."""

from mapping.checks.registry import Check, Choice, Decision, register
from workbench.engagements.models import Role

SOURCE = "Source"
TOLD_WHILE_LANDING = (
    "list members withheld",
    "catalog without items",
    "template without content",
    "years that aren't exported",
)  # by the connector itself

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
    Check("source_latency", "Round trip", "source", SOURCE, "How long a request takes there and back."),
    Check("field_limit", "Unique fields", "source", SOURCE, "How near the project is to its limit of unique fields.", FIELD_LIMIT),
    Check("forgotten", "Forgotten people", "source", SOURCE, "How many people asked the source to be forgotten: they are skipped."),
    Check("rate_limit", "Rate limits", "source", SOURCE, "Whether the source refused some of the checks' own calls for their rate."),
    Check("people counted", "People", "source", SOURCE, "How many records discovery read, in how many slices."),
    Check("unreadable lines", "Unreadable lines", "source", SOURCE, "Lines of an export that are not one JSON object; kept and rejected."),
    Check("fields without a usable name", "Unusable field names", "source", SOURCE, "Fields that no map can name: blank or too long."),
    Check(
        "event_names_alike", "Event names that are nearly equal", "source", SOURCE, "Names of events that differ by case or spaces only."
    ),
    Check(
        "unflattenable_payloads", "Payloads that can't be flattened", "source", SOURCE, "Share of events whose payload no column can hold."
    ),
    Check("metrics_lag", "Metric lag", "source", SOURCE, "Up to which day campaign figures are whole."),
    Check("dynamic_snapshots", "Dynamic lists", "source", SOURCE, "Lists whose rules the source doesn't give: they arrive as snapshots."),
    Check("lists_without_members", "Lists without members", "source", SOURCE, "Lists that nobody is on."),
    Check("answers_without_ids", "Entries without a number", "source", SOURCE, "Lists, channels and message types that nobody can name."),
    Check("list members withheld", "Withheld list members", "source", SOURCE, "Dynamic lists that the source doesn't give the members of."),
    Check("campaign_lists_gone", "Deleted lists", "source", SOURCE, "Campaigns that name lists that no longer exist."),
    Check("campaign_templates_gone", "Deleted templates", "source", SOURCE, "Campaigns that name templates that no longer exist."),
    Check("people_lists_gone", "Memberships in deleted lists", "source", SOURCE, "Profiles that name lists that no longer exist."),
    Check(
        "unknown_message_types", "Unknown message types", "source", SOURCE, "Message types that people or templates name and nobody knows."
    ),
    Check("orphaned_metrics", "Metrics of deleted campaigns", "source", SOURCE, "Metrics of campaigns that no longer exist."),
    Check("catalog without items", "Empty catalogs", "source", SOURCE, "Catalogs that hold no item."),
    Check("years that aren't exported", "Years without exports", "source", SOURCE, "Unlikely years that the source exports nothing of."),
    Check("template without content", "Templates without content", "source", SOURCE, "Templates that have no content in their own locale."),
    Check("purchases_without_order", "Purchases without order number", "source", SOURCE, "Purchases that only their id tells apart."),
    Check("purchases_without_currency", "Purchases without currency", "source", SOURCE, "Purchases whose money is of no stated currency."),
    Check("purchases_without_total", "Purchases without total", "source", SOURCE, "Purchases whose total can't be read."),
)
