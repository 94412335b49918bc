"""What a person should know of an Iterable project's objects before the plan is made."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from connectors.base import Finding
from connectors.inventories import Landed
from connectors.iterable.answers import is_number
from connectors.iterable.figures import ids, ids_of, list_members, purchase_facts, text

_DYNAMIC = "Dynamic"


def findings(landed: Landed) -> Iterator[Finding]:
    """Everything that a person should know of the objects."""
    for check in (metrics_lag, dynamic_snapshots, lists_without_members, answers_without_ids, lost_references, unknown_message_types,
                  orphaned_metrics, incomplete_purchases):  # fmt: skip
        yield from check(landed)


def metrics_lag(landed: Landed) -> Iterator[Finding]:
    """Up to which day campaign figures are whole."""
    taken = landed.taken_at("campaignMetric")
    if taken and any(True for _ in landed.records("campaignMetric")):
        whole = datetime.fromtimestamp(taken.timestamp() - 2 * 86_400, UTC)
        evidence = f"Metrics were read on {taken:%Y-%m-%d}; they lag a day, so they are whole up to {whole:%Y-%m-%d}."
        yield Finding("metrics_lag", "info", evidence, "Read them once more at cutover.")


def dynamic_snapshots(landed: Landed) -> Iterator[Finding]:
    """Dynamic lists, whose rules the API doesn't give."""
    dynamic = [str(row.get("id")) for row in landed.records("list") if row.get("listType") == _DYNAMIC]
    if dynamic:
        members = list_members(landed)
        evidence = (
            f"Dynamic lists that arrive as snapshots: {len(dynamic):,}, with {sum(members[one] for one in dynamic):,} memberships today."
        )
        yield Finding("dynamic_snapshots", "info", evidence, "Rebuild the rules of those that must stay alive; the API doesn't give them.")


def lists_without_members(landed: Landed) -> Iterator[Finding]:
    """Lists that nobody is on."""
    members = list_members(landed)
    idle = [text(row.get("name")) or str(row.get("id")) for row in landed.records("list") if not members[str(row.get("id"))]]
    if idle:
        yield Finding(
            "lists_without_members",
            "info",
            f"{len(idle):,} lists have no members: {_some(idle)}.",
            "Leave them behind, or keep them empty.",
        )


def answers_without_ids(landed: Landed) -> Iterator[Finding]:
    """Lists, channels and message types that nothing can name, since they have no number as their id or of their channel."""
    for name, title, keys in (
        ("list", "lists", ("id",)),
        ("channel", "channels", ("id",)),
        ("messageType", "message types", ("id", "channelId")),
    ):
        strange = sum(not all(is_number(row.get(key)) for key in keys) for row in landed.records(name))
        if strange:
            evidence = f"{strange:,} {title} have no number as their {' or their '.join(keys)}, so that nobody's profile can name them."
            yield Finding(
                "answers_without_ids", "warning", evidence, "Look at them in Iterable; no consent follows from them.", subject=name
            )


def lost_references(landed: Landed) -> Iterator[Finding]:
    """Campaigns that name lists or templates that are gone, and people on lists that are gone."""
    lists, templates = ids_of(landed, "list", "id"), ids_of(landed, "template", "templateId")
    of_lists: Counter[str] = Counter()
    of_templates: Counter[str] = Counter()
    for row in landed.records("campaign"):
        of_lists.update({str(one) for key in ("listIds", "suppressionListIds") for one in ids(row.get(key))} - lists)
        of_templates.update({str(row["templateId"])} - templates if row.get("templateId") else set())
    if of_lists:
        evidence = f"Lists that campaigns name and that no longer exist ({len(of_lists):,}): {_some(of_lists)}."
        yield Finding("campaign_lists_gone", "warning", evidence, "Their tie to a list is left out.")
    if of_templates:
        evidence = f"Templates that campaigns name and that no longer exist ({len(of_templates):,}): {_some(of_templates)}."
        yield Finding("campaign_templates_gone", "warning", evidence, "The inventory shows these campaigns without content.")
    people = {key: count for key, count in landed.people_with("emailListIds").items() if key not in lists}
    if people:
        evidence = (
            f"Lists that profiles name and that no longer exist ({len(people):,}): {_some(people)}. Memberships: {sum(people.values()):,}."
        )
        yield Finding("people_lists_gone", "info", evidence, "These memberships are left out.")


def unknown_message_types(landed: Landed) -> Iterator[Finding]:
    """Message types that profiles or templates name and the project doesn't know."""
    known = ids_of(landed, "messageType", "id")
    by_people: Counter[str] = Counter()
    for field in ("unsubscribedMessageTypeIds", "subscribedMessageTypeIds"):
        by_people.update({key: count for key, count in landed.people_with(field).items() if key not in known})
    by_templates = Counter(str(row["messageTypeId"]) for row in landed.records("template") if row.get("messageTypeId"))
    unknown = sorted({*by_people, *(key for key in by_templates if key not in known)})
    if unknown:
        evidence = (
            f"Message types that are named and unknown ({len(unknown):,}): {_some(unknown)}. Answers of people: {by_people.total():,}."
        )
        yield Finding(
            "unknown_message_types", "warning", evidence, "They can't be told to be marketing or not: their answers count for no channel."
        )


def orphaned_metrics(landed: Landed) -> Iterator[Finding]:
    """Metrics of campaigns that are gone."""
    campaigns = ids_of(landed, "campaign", "id")
    gone = [key for row in landed.records("campaignMetric") if (key := str(row.get("id"))) not in campaigns]
    if gone:
        yield Finding(
            "orphaned_metrics", "info", f"Campaigns with metrics that no longer exist ({len(gone):,}): {_some(gone)}.", "They are left out."
        )


def incomplete_purchases(landed: Landed) -> Iterator[Finding]:
    """Purchases without order number, currency or a total that can be read."""
    if not landed.has("purchase"):
        return
    facts = purchase_facts(landed)
    lacking = (
        ("purchases_without_order", facts.without_order, "order number", "They go by their purchase id, else by their content."),
        (
            "purchases_without_currency",
            facts.currencies[""],
            "currency",
            "Name the field that holds it, or they count in the base currency.",
        ),
        ("purchases_without_total", facts.unread, "total that can be read", "They are held until somebody mends them."),
    )
    for check, count, what, remedy in lacking:
        if count:
            share = f"{count / facts.purchases:.1%}"
            yield Finding(check, "warning", f"{count:,} of {facts.purchases:,} purchases ({share}) have no {what}.", remedy)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5:,} more" if len(listed) > 5 else "")
