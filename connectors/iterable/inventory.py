"""What discovery tells of an Iterable project's lists, campaigns, journeys, templates, snippets, catalogs and purchases; see Inventory."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connectors.inventories import Cell, Landed, Summary, table
from connectors.iterable.figures import day, ids, list_members, listed, purchase_facts, text
from connectors.iterable.listed import MEDIA, TYPES
from connectors.iterable.object_checks import findings

__all__ = ["findings", "summaries"]
Record = Mapping[str, Any]
STATES = ("Draft", "Ready", "Scheduled", "Starting", "Running", "Recurring", "Finished", "Aborted", "Archived")


def summaries(landed: Landed) -> Iterator[Summary]:
    """One summary for each object that was landed."""
    for name, tell in _TOLD.items():
        if landed.has(name):
            yield tell(landed)


def tell_lists(landed: Landed) -> Summary:
    """Lists by size, of each type."""
    members, lists = list_members(landed), list(landed.records("list"))
    kinds = Counter(text(row.get("listType")) for row in lists)
    rows: list[tuple[Cell, ...]] = [
        (text(row.get("id")), text(row.get("name")), text(row.get("listType")), members[text(row.get("id"))], day(row.get("createdAt")))
        for row in lists
    ]
    rows.sort(key=lambda row: (-int(row[3] or 0), row[0]))
    figures = {"lists": len(lists), **{f"{kind.lower() or 'untyped'} lists": count for kind, count in kinds.most_common()}}
    figures["without members"] = sum(not row[3] for row in rows)
    note = "Members of static lists are counted in the profiles, before people are merged; a dynamic list is a snapshot."
    return Summary("list", "Lists", figures, (table("Lists by size", ("Id", "Name", "Type", "Members", "Made on"), rows),), note)


def tell_campaigns(landed: Landed) -> Summary:
    """Campaigns by state and medium, the newest first."""
    rows = list(landed.records("campaign"))
    measured = {str(row.get("id")) for row in landed.records("campaignMetric")}
    states, kinds = Counter(text(row.get("campaignState")) for row in rows), Counter(text(row.get("type")) for row in rows)
    known = [state for state in STATES if states[state]] + sorted(set(states) - set(STATES))
    by_state: list[tuple[Cell, ...]] = [(state or "(none)", states[state], states[state] / len(rows)) for state in known]
    media = Counter(text(row.get("messageMedium")) for row in rows)
    newest = [_campaign(row) for row in sorted(rows, key=lambda row: day(row.get("createdAt")), reverse=True)]
    figures = {
        "campaigns": len(rows),
        **{kind.lower() or "untyped": count for kind, count in kinds.most_common()},
        "with metrics": len(measured),
    }
    return Summary("campaign", "Campaigns", figures, (
        table("By state", ("State", "Campaigns", "Share"), by_state, shares=(2,)),
        table("By medium", ("Medium", "Campaigns"), [(medium or "(none)", count) for medium, count in media.most_common()]),
        table("Newest first", ("Id", "Name", "State", "Medium", "Start", "Lists", "Send size"), newest),
    ))  # fmt: skip


def _campaign(row: Record) -> tuple[Cell, ...]:
    size = row.get("sendSize")
    names = (text(row.get(key)) for key in ("id", "name", "campaignState", "messageMedium"))
    return (*names, day(row.get("startAt")), len(ids(row.get("listIds"))), size if isinstance(size, int) else None)


def tell_metrics(landed: Landed) -> Summary:
    """The metrics' columns, and how many campaigns have a figure in each."""
    rows, taken = list(landed.records("campaignMetric")), landed.taken_at("campaignMetric")
    filled: Counter[str] = Counter(name for row in rows for name, value in row.items() if str(value).strip() not in ("", "0", "0.0"))
    names = dict.fromkeys(name for row in rows for name in row if name != "id")
    columns: list[tuple[Cell, ...]] = [(name, filled[name], filled[name] / len(rows)) for name in names]
    figures: dict[str, Cell] = {
        "campaigns with metrics": len(rows),
        "columns": len(columns),
        "read on": f"{taken:%Y-%m-%d}" if taken else "",
    }
    note = "Iterable's metrics lag a day: figures of the day on which they were read, and of the day before it, may still grow."
    shown = table("Columns", ("Metric", "Campaigns with a figure", "Share"), sorted(columns, key=_by_second), shares=(2,))
    return Summary("campaignMetric", "Campaign metrics", figures, (shown,), note)


def tell_journeys(landed: Landed) -> Summary:
    """Journeys with what triggers them and which campaigns they send."""
    journeys, sends = list(landed.records("journey")), Counter(str(row.get("workflowId")) for row in landed.records("campaign"))
    rows = [(*_journey(row), sends[str(row.get("id"))], day(row.get("updatedAt"))) for row in journeys]
    states = Counter(str(row[2]) for row in rows)
    figures = {"journeys": len(rows), **{state.lower(): count for state, count in states.most_common()}}
    note = "The API gives no steps, waits or branches; what a journey sends is found through its campaigns."
    head = ("Id", "Name", "State", "Triggered by", "Campaigns", "Changed on")
    return Summary("journey", "Journeys", figures, (table("Journeys", head, rows),), note)


def tell_templates(landed: Landed) -> Summary:
    """Templates by medium and type, and those that no campaign uses."""
    templates, used = list(landed.records("template")), {str(row.get("templateId")) for row in landed.records("campaign")}
    counts = Counter((str(row.get("messageMedium")), str(row.get("templateType"))) for row in templates)
    by_medium: list[tuple[Cell, ...]] = [(medium, *(counts[medium, kind] for kind in TYPES)) for medium in MEDIA]
    idle: list[tuple[Cell, ...]] = [
        (text(row.get("templateId")), text(row.get("name")), text(row.get("messageMedium")), day(row.get("updatedAt")))
        for row in templates if str(row.get("templateId")) not in used
    ]  # fmt: skip
    figures = {"templates": len(templates), **Counter(str(row.get("messageMedium")) for row in templates), "used by no campaign": len(idle)}
    return Summary("template", "Templates", figures, (
        table("By medium and type", ("Medium", *TYPES), by_medium),
        table("Used by no campaign", ("Id", "Name", "Medium", "Changed on"), idle, empty="Every template is used by a campaign."),
    ))  # fmt: skip


def tell_snippets(landed: Landed) -> Summary:
    """Snippets with their variables."""
    rows: list[tuple[Cell, ...]] = [
        (text(row.get("id")), text(row.get("name")), ", ".join(map(str, listed(row.get("variables")))), len(text(row.get("content"))))
        for row in landed.records("snippet")
    ]
    shown = table("Snippets", ("Id", "Name", "Variables", "Characters"), rows)
    return Summary("snippet", "Snippets", {"snippets": len(rows), "empty": sum(not row[3] for row in rows)}, (shown,))


def tell_catalogs(landed: Landed) -> Summary:
    """Catalogs with their items, and each one's fields with the share of items that have them."""
    items: Counter[str] = Counter()
    fields: Counter[tuple[str, str]] = Counter()
    newest: dict[str, str] = {}
    for row in landed.records("catalogItem"):
        name = text(row.get("catalogName"))
        items[name] += 1
        newest[name] = max(newest.get(name, ""), day(row.get("lastModified")))
        value = row.get("value")
        fields.update((name, key) for key in (value if isinstance(value, dict) else ()))
    rows: list[tuple[Cell, ...]] = [(name, count, newest[name]) for name, count in items.most_common()]
    columns: list[tuple[Cell, ...]] = [(name, field, count, count / items[name]) for (name, field), count in sorted(fields.items())]
    figures = {"catalogs with items": len(items), "items": items.total(), "fields": len({field for _, field in fields})}
    return Summary("catalogItem", "Catalogs", figures, (
        table("Catalogs", ("Catalog", "Items", "Last changed"), rows, empty="No catalog has an item."),
        table("Fields", ("Catalog", "Field", "Items with it", "Share"), columns, shares=(3,)),
    ))  # fmt: skip


def tell_purchases(landed: Landed) -> Summary:
    """Purchases and their money per currency."""
    facts = purchase_facts(landed)
    rows: list[tuple[Cell, ...]] = [
        (currency or "(none)", count, f"{facts.money[currency]:,.2f}") for currency, count in facts.currencies.most_common()
    ]
    figures = {
        "purchases": facts.purchases, "without order number": facts.without_order, "without currency": facts.currencies[""],
        "without a readable total": facts.unread,
    }  # fmt: skip
    return Summary("purchase", "Purchases", figures, (table("By currency", ("Currency", "Purchases", "Money"), rows),))


_TOLD: Mapping[str, Callable[[Landed], Summary]] = {
    "list": tell_lists,
    "campaign": tell_campaigns,
    "campaignMetric": tell_metrics,
    "journey": tell_journeys,
    "template": tell_templates,
    "snippet": tell_snippets,
    "catalogItem": tell_catalogs,
    "purchase": tell_purchases,
}


def _journey(row: Record) -> tuple[str, str, str, str]:
    triggers = ", ".join(map(str, listed(row.get("triggerEventNames"))))
    return text(row.get("id")), text(row.get("name")), _running(row), triggers or "(none)"


def _running(journey: Record) -> str:
    if journey.get("isArchived"):
        return "Archived"
    return "Running" if journey.get("enabled") else "Switched off"


def _by_second(row: tuple[Cell, ...]) -> tuple[int, str]:
    return -int(row[1] or 0), str(row[0])
