"""What the rules of the plan would do, in counts on discovery data, for the answers as they stand or as somebody is about to give them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Count, F, FloatField, Sum
from django.db.models.functions import Cast, NullIf

from connectors import store
from connectors.models import Dataset
from mapping import estimates, plan
from mapping.buyers import who_bought
from mapping.clusters import add_memberships, cluster, load_keys
from mapping.consent import MEDIA
from mapping.discovery.keys import ready_files
from mapping.flattening import events_content
from mapping.models import EventType, FieldMap, ObjectMap
from mapping.playbooks import ObjectRule, load_playbook
from mapping.preview import company_preview
from workbench.engagements.models import Engagement

# What a rule may be answered with: the answers with their meaning, or None for a whole number.
RULES: Mapping[str, Mapping[str, str] | None] = {
    "purchasing_leads": {
        "account": "Their account becomes the customer; without one the purchase is held",
        "contact": "They become contacts after all",
        "held": "Their purchases are held",
    },
    "purchases_become": {
        "deals": "Opportunities that were won, with their lines",
        "orders": "Orders that were fulfilled, with their lines",
    },
    "consent_unknown": {"out": "Who said nothing counts as opted out", "in": "Who said nothing counts as opted in"},
    "unflattenable": {
        "payload": "The event loads; the payload column keeps what no column can hold",
        "hold": "The event is held",
    },
    "events_become": {
        "activities": "Completed tasks on the timeline of their person",
        "own_table": "Rows of a table of their own, one each",
    },
    "departed": {"leave": "Their rows stay as they are and are listed", "deactivate": "Their rows are deactivated and listed"},
    "event_budget": None,
    "event_volume": None,
}


def misunderstood(names: Mapping[str, Any]) -> Iterator[str]:
    """What is said of answers that no rule knows: they would count as another answer, without a word."""
    for name, answers in RULES.items():
        value = names.get(name)
        if not isinstance(value, str):
            continue
        if answers is None and not (value.isascii() and value.isdecimal()):
            yield f"{name} must be a whole number of 0 or more."
        elif answers is not None and value not in answers:
            yield f"{name} must be one of {', '.join(answers)}."


def preview(engagement: Engagement, names: Mapping[str, str]) -> dict[str, Any]:
    """{"events", "people"}: counts under these names; see `_events`, `_people`. people is None until the keys are read."""
    return {"events": _events(engagement, names), "people": _people(engagement, names)}


def _events(engagement: Engagement, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Per object with payloads: events and types, how many payloads no column can hold (by the samples), columns against the budget.

    stored: answer of `events_become` -> bytes of database storage that the events take as that, as assumed; chosen: the answer given.
    """
    content, playbook = events_content(engagement, names), load_playbook(engagement.platform, engagement.prefix)
    lost = Cast(F("count"), FloatField()) * F("unflattenable") / NullIf(F("samples"), 0)
    counted = EventType.objects.filter(engagement=engagement).values("object_name")
    sums: dict[str, Mapping[str, Any]] = {
        row["object_name"]: row for row in counted.annotate(events=Sum("count"), types=Count("pk"), lost=Sum(lost)).order_by()
    }
    lines = FieldMap.objects.filter(engagement=engagement, object_name__in=content["objects"])
    making = lines.filter(new_column__isnull=False).exclude(state=FieldMap.State.LEFT)
    new = list(making.values_list("object_name", "table", "column"))
    made = Counter(name for name, _, _ in new)
    left = Counter(lines.filter(state=FieldMap.State.LEFT).values_list("object_name", flat=True))
    becoming = ObjectMap.objects.filter(engagement=engagement).values_list("object_name", "tables")
    tables = {name: str(found[0]) for name, found in becoming if found}
    on_table = Counter(table for table, _ in {(table, column) for _, table, column in new})  # objects of one table share its budget
    found = []
    for name in content["objects"]:
        known = sums.get(name, {})
        events = known.get("events") or 0
        found.append(
            {
                "object": name,
                "events": events,
                "types": known.get("types", 0),
                "lost": round(known.get("lost") or 0),
                "held": content["unflattenable"] == "hold",
                "table": tables.get(name, ""),
                "columns": made[name],
                "on_table": on_table[tables.get(name, "")],
                "left": left[name],
                "budget": content["budget"],
                "above": events > content["volume"],
                "stored": _stored(playbook.object(name), events),
                "chosen": names.get(playbook.object(name).choice, ""),
            }
        )
    return found


def _stored(rule: ObjectRule, events: int) -> dict[str, int]:
    """Answer of the object's choice -> bytes that so many rows take at the destination."""
    if not rule.choice:
        return {}
    volume, answers = estimates.volume(), RULES[rule.choice] or {}
    return {answer: events * volume.size(rule.tables_by({rule.choice: answer})[0]).database for answer in answers}


def _people(engagement: Engagement, names: Mapping[str, str]) -> dict[str, Any] | None:
    """{"people", "consent": [{"medium", "in", "unknown", "out", "opted_out"}], "companies", "purchases"}; one person counts once."""
    files = ready_files(engagement, Dataset.Purpose.DISCOVERY)
    if files is None:
        return None
    split, companies_part = plan.BUILDERS["split"](engagement), plan.BUILDERS["companies"](engagement)
    with store.database() as con:
        load_keys(con, files.people)
        for path in files.members:
            add_memberships(con, path, companies_part["lists"])
        cluster(con)
        [(people,)] = con.execute("SELECT count(*) FROM clusters").fetchall()
        consent = []
        for medium in MEDIA:
            place = f"CASE WHEN suppressed THEN 2 ELSE consent_{medium} END"
            counts = dict(con.execute(f"SELECT {place}, count(*) FROM clusters GROUP BY 1").fetchall())  # noqa: S608 - names of our own
            opted_in, unknown, out = (counts.get(number, 0) for number in (0, 1, 2))
            unknown_out = unknown if names["consent_unknown"] == "out" else 0
            consent.append({"medium": medium, "in": opted_in, "unknown": unknown, "out": out, "opted_out": out + unknown_out})
        companies = company_preview(con, engagement, companies_part, split["matrix"])
        rule = {**split, "purchasers": {"leads": names["purchasing_leads"]}}
        purchases = who_bought(con, files.purchases, rule)
    return {"people": people, "consent": consent, "companies": companies, "purchases": purchases}
