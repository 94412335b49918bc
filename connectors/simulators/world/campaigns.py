"""Campaigns with their metrics, and journeys: what was sent to whom, and what set it off."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from connectors.simulators.world.companies import HOME, UNKNOWN_OWNERS
from connectors.simulators.world.lists import GONE_LIST, SUPPRESSION

FIRST_CAMPAIGN, FIRST_TEMPLATE, FIRST_JOURNEY = 7101, 8101, 5501
STATES = ("Draft", "Ready", "Scheduled", "Running", "Finished", "Starting", "Aborted", "Recurring", "Archived")
_SENT = {"Running", "Finished", "Aborted", "Archived"}
_SHARES = (6, 2, 4, 5, 62, 1, 4, 8, 8)
MEDIA = ("Email", "Email", "Email", "Email", "Push", "SMS", "InApp")
_THEMES = (
    "Spring offer",
    "Webinar: Pricing",
    "Produktneuheiten",
    "Win-back",
    "Herbstaktion",
    "Onboarding",
    "Messe Köln",
    "Price change",
    "感謝祭",
)
_DAY_MS = 86_400_000
# What is wrong with one campaign in turn, from the twentieth on; None: the key is missing, since the API sends no nulls.
_DIRT: Sequence[dict[str, Any]] = (
    {"name": "Newsletter with a subject that somebody pasted into the name, " * 4}, {"name": "Rabatt 🎉 „nur heute“"},
    {"name": "=SUM(A1:A9)"},
    {"name": "Spring offer 1"}, {"name": "spring offer 1"}, {"name": " "}, {"listIds": [GONE_LIST]}, {"listIds": []}, {"startAt": None},
    {"endedAt": 1_500_000_000_000}, {"templateId": 888_888}, {"createdByUserId": UNKNOWN_OWNERS[0]}, {"labels": None}, {"sendSize": 0},
    {"recurringCampaignId": 999_999}, {"workflowId": 999_999}, {"listIds": [4101, 4101, 4201]}, {"suppressionListIds": [SUPPRESSION]},
)  # fmt: skip
_EMAIL_COLUMNS = (
    "Average Custom Conversion Value,Average Order Value,Purchases / M (Email),Revenue,Revenue / M (Email),Sum of Custom Conversions,"
    "Total Complaints,Total Custom Conversions,Total Email Holdout,Total Email Opens,Total Email Opens (filtered),Total Email Send Skips,"
    "Total Email Sends,Total Emails Bounced,Total Emails Clicked,Total Emails Delivered,Total Purchases,Total Unsubscribes,"
    "Unique Custom Conversions,Unique Email Clicks,Unique Email Opens,Unique Email Opens (filtered),Unique Email Opens Or Clicks,"
    "Unique Email Sends,Unique Emails Bounced,Unique Emails Delivered,Unique Purchases,Unique Unsubscribes"
)
_PUSH_COLUMNS = (
    "Purchases / M (Push),Revenue / M (Push),Total App Uninstalls,Total Push Holdout,Total Push Send Skips,Total Pushes Bounced,"
    "Total Pushes Delivered,Total Pushes Opened,Total Pushes Sent,Unique Pushes Bounced,Unique Pushes Delivered,Unique Pushes Opened,"
    "Unique Pushes Sent"
)
_EMAIL, _PUSH = _EMAIL_COLUMNS.split(","), _PUSH_COLUMNS.split(",")
_OTHER = ["Total SMS Sent", "Total In App Opens"]
COLUMNS = ["id", *_EMAIL, *_PUSH, *_OTHER]


def make_campaigns(people: int, seed: int, end: datetime) -> list[dict[str, Any]]:
    """About 40 campaigns and one more for 500 people, at most 400; every state once at least, children of a recurring one among them."""
    dice = random.Random(f"{seed}/campaigns")
    count = min(400, 40 + people // 500)
    return [_campaign(number, dice, int(end.timestamp() * 1000)) for number in range(count)]


def _campaign(number: int, dice: random.Random, end: int) -> dict[str, Any]:
    state = STATES[number] if number < len(STATES) else dice.choices(STATES, _SHARES)[0]
    created = end - dice.randrange(3, 900) * _DAY_MS
    medium = MEDIA[number % len(MEDIA)]
    kind = "Triggered" if state in {"Running", "Recurring"} and dice.random() < 0.6 else "Blast"
    row: dict[str, Any] = {
        "id": FIRST_CAMPAIGN + number, "name": f"{_THEMES[number % len(_THEMES)]} {number + 1}", "type": kind, "campaignState": state,
        "messageMedium": medium, "createdAt": created, "updatedAt": created + dice.randrange(_DAY_MS),
        "createdByUserId": f"marketing@{HOME}", "templateId": FIRST_TEMPLATE + number, "listIds": _lists(number, dice),
        "suppressionListIds": [], "labels": dice.sample(["q1", "q2", "vip", "Messe"], dice.randrange(3)),
    }  # fmt: skip
    if state not in {"Draft", "Ready"}:
        row["startAt"] = created + dice.randrange(_DAY_MS, 3 * _DAY_MS)
    if state in {"Finished", "Aborted", "Archived"}:
        row |= {"endedAt": row["startAt"] + dice.randrange(60_000, 7_200_000), "sendSize": dice.randrange(1, 40_000)}
    if kind == "Triggered" and number % 3:
        row["workflowId"] = FIRST_JOURNEY + number % 8
    if number % 11 == 10:
        row["recurringCampaignId"] = FIRST_CAMPAIGN + STATES.index("Recurring")
    row |= _DIRT[number - 20] if 20 <= number < 20 + len(_DIRT) else {}
    return {name: value for name, value in row.items() if value is not None}


def _lists(number: int, dice: random.Random) -> list[int]:
    return dice.sample([4101, 4102, 4103, 4104, 4201, 4202, 4107], 1 + number % 2)


def metrics_csv(campaigns: Sequence[dict[str, Any]], seed: int) -> str:
    """The text of campaigns/metrics.csv: empty cells for other media, some campaigns without a line, one that was deleted."""
    dice = random.Random(f"{seed}/metrics")
    sent = [row for number, row in enumerate(campaigns) if row["campaignState"] in _SENT and number % 13 != 12]
    lines = [_measured(row["id"], row["messageMedium"], row.get("sendSize") or 0, dice) for row in sent]
    lines.append(_measured(999_999, "Email", 10, dice))
    return "".join(",".join(line) + "\n" for line in [COLUMNS, *lines])


def _measured(number: int, medium: str, sends: int, dice: random.Random) -> list[str]:
    cells = {"id": str(number)}
    delivered = int(sends * 0.97)
    opens, clicks = int(delivered * dice.uniform(0.1, 0.5)), int(delivered * dice.uniform(0.0, 0.08))
    if medium == "Email":
        cells |= dict.fromkeys(_EMAIL, "0")
        counts = {
            "Total Email Sends": sends, "Unique Email Sends": sends, "Total Emails Delivered": delivered,
            "Unique Emails Delivered": delivered,
            "Total Email Opens": opens * 2, "Unique Email Opens": opens, "Unique Email Opens Or Clicks": opens + clicks // 2,
            "Total Emails Clicked": clicks * 2, "Unique Email Clicks": clicks, "Total Emails Bounced": sends - delivered,
            "Unique Emails Bounced": sends - delivered, "Total Unsubscribes": clicks // 9, "Unique Unsubscribes": clicks // 9,
        }  # fmt: skip
        cells |= {name: str(value) for name, value in counts.items()} | {"Revenue": f"{clicks * 3.5:.2f}"}
    elif medium == "Push":
        cells |= dict.fromkeys(_PUSH, "0")
        cells |= {"Total Pushes Sent": str(sends), "Unique Pushes Sent": str(sends), "Total Pushes Delivered": str(delivered),
                  "Unique Pushes Opened": str(opens)}  # fmt: skip
    elif medium == "SMS":
        cells["Total SMS Sent"] = str(sends)
    else:
        cells["Total In App Opens"] = str(opens)
    return [cells.get(column, "") for column in COLUMNS]


_JOURNEYS = (
    "Welcome", "Trial nurture", "Win-back 90 days", "Abandoned cart", "Webinar follow-up", "Onboarding – DACH", "Rechnung überfällig",
    "welcome", "Birthday 🎂", "Test do not use", "(untitled)", "Journey with a name that explains the whole strategy, " * 4,
)  # fmt: skip
_TRIGGERS: tuple[list[str], ...] = (
    ["trialStarted"], ["signup"], [], ["cartUpdate"], ["webinarAttended", "demoRequested"], ["neverTracked"],
)  # fmt: skip


def make_journeys(seed: int, end: datetime) -> dict[str, Any]:
    """The body of journeys.json: a dozen, with drafts beside them, archived ones, no trigger, several triggers, one nobody finished."""
    dice = random.Random(f"{seed}/journeys")
    found = list(_journeys(dice, int(end.timestamp() * 1000)))
    return {"journeys": found, "totalJourneysCount": len(found)}


def _journeys(dice: random.Random, end: int) -> Iterator[dict[str, Any]]:
    for number, name in enumerate(_JOURNEYS):
        created = end - dice.randrange(30, 1200) * _DAY_MS
        row: dict[str, Any] = {
            "id": FIRST_JOURNEY + number, "name": name, "description": "" if number % 3 else "Owned by marketing",
            "enabled": number % 4 != 3,
            "isArchived": number in {7, 9}, "journeyType": "Draft" if number == 10 else "Published",
            **({"lifetimeLimit": number % 3} if number % 3 else {}), "simultaneousLimit": 1, "startTileId": 9001 + 40 * number,
            "triggerEventNames": _TRIGGERS[number % len(_TRIGGERS)],
            "createdAt": created, "updatedAt": created + dice.randrange(20 * _DAY_MS), "creatorUserId": f"marketing@{HOME}",
        }  # fmt: skip
        if number % 5 == 1:
            row["draft"] = {"id": 5901 + number, "name": f"{name} v2", "createdAt": created, "updatedAt": end - _DAY_MS}
        yield row
