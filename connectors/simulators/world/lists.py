"""Lists, channels, message types and the fields that the project declares."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors.simulators.world.companies import Company

# id, name, type; of a Standard one also the share of people on it.
AUDIENCES: Sequence[tuple[int, str, str, float]] = (
    (4101, "Newsletter (all)", "Standard", 0.55),
    (4102, "VIP customers", "Standard", 0.04),
    (4103, "Webinar 2023: Pricing – DACH & Nordics", "Standard", 0.08),
    (4104, "Messe Köln 🎪 Leads", "Standard", 0.06),
    (4105, "newsletter (all)", "Standard", 0.02),  # differs from the first by case only
    (4106, "Event: „Offene Werkstatt“ / Portes ouvertes / 展示会", "Standard", 0.03),
    (4107, '=HYPERLINK("http://list.example","Trial users")', "Standard", 0.02),
    (4108, "Trial users " + "with a name that goes on and on, " * 5, "Standard", 0.02),
    (4109, "Empty for years", "Standard", 0.0),
    (4201, "Active in the last 90 days", "Dynamic", 0.3),
    (4202, "Customers without a demo", "Dynamic", 0.12),
    (4301, "Do not contact", "Suppression", 0.015),
    (4302, "Complaints", "Suppression", 0.004),
    (4401, "QA seeds", "Internal", 0.003),
)
DYNAMIC = tuple(number for number, _, kind, _ in AUDIENCES if kind == "Dynamic")
SUPPRESSION = 4301
GONE_LIST = 4999  # on some profiles, and no longer among the lists
_PLAIN = tuple((number, share) for number, _, kind, share in AUDIENCES if kind in ("Standard", "Internal"))

CHANNELS = (
    (31, "Marketing e-mail", "Marketing", "Email"),
    (32, "Service e-mail", "Transactional", "Email"),
    (33, "SMS offers", "Marketing", "SMS"),
    (34, "App push", "Marketing", "Push"),
    (35, "In-app", "Marketing", "InApp"),
    (36, "Partner e-mail", "Marketing", "Email"),
)
MESSAGE_TYPES = (
    (901, "Weekly letter", 31, "OptOut"),
    (902, "Product news", 31, "OptOut"),
    (903, "Events and webinars", 31, "OptIn"),
    (904, "Receipts", 32, "OptOut"),
    (905, "SMS offers", 33, "OptIn"),
    (906, "Push news", 34, "OptOut"),
    (907, "In-app tips", 35, "OptOut"),
    (908, "Partner offers", 36, "OptIn"),
)
FIELDS = {
    "email": "string", "userId": "string", "firstName": "string", "lastName": "string", "phoneNumber": "string", "jobTitle": "string",
    "lifecycleStage": "string", "ownerEmail": "string", "companyName": "string", "street": "string", "city": "string",
    "postalCode": "string", "country": "string", "score": "long", "plan": "string", "annualSpend": "double", "newsletter": "boolean",
    "birthday": "date", "lastDemoAt": "date", "interests": "string_array", "preferences": "object", "preferences.language": "string",
    "preferences.contact.time": "string", "preferences.contact.weekdays": "long_array", "location": "geo_location", "notes": "string",
    "legacyId": "long", "accountCode": "string", "companySize": "string", "CompanySize": "long", "Größe": "string", "Lead Source": "string",
    "whichOfOurManyProductsAreYouMostInterestedInRightNow": "string", "unusedSince2019": "string", "emailListIds": "long_array",
    "unsubscribedChannelIds": "long_array", "unsubscribedMessageTypeIds": "long_array", "subscribedMessageTypeIds": "long_array",
    "signupDate": "date", "signupSource": "string", "profileUpdatedAt": "date", "itblInternal.emailDomain": "string", "devices": "nested",
}  # fmt: skip


def lists_json(companies: Sequence[Company], end: datetime, seed: int) -> dict[str, Any]:
    """The body of lists.json: one list for each company that has one, odd and dynamic ones among them, then the audiences."""
    dice = random.Random(f"{seed}/lists")
    named = [(company.list_id, f"Company: {company.name}") for company in companies if company.list_id]
    entries = [_entry(number, name, "Standard", end, dice) for number, name in [*named, *odd_companies(companies)]]
    entries += [_entry(number, name, kind, end, dice) for number, name, kind, _ in AUDIENCES]
    entries[-3]["isGlobalSuppressionEnabled"] = True
    dynamic = [_entry(one.dynamic_id, f"Company: {one.name}", "Dynamic", end, dice) for one in companies if one.dynamic_id]
    return {"lists": [*dynamic, *entries]}


def odd_companies(companies: Sequence[Company]) -> list[tuple[int, str]]:
    """Organisation lists as people leave them behind: doubles, other case, no name, one too long, markup."""
    if not companies:
        return []
    listed = [company.name for company in companies if company.list_id]
    names = (
        f"Company: {listed[0]}",
        f"company:  {listed[1].lower()} ",
        "Company: ",
        "Company: Arbeitsgemeinschaft " + " und ".join(listed[:8]) + " zur gemeinsamen Beschaffung von Büromaterial in Europa",
        "Company: =SUM(A1:A9)",
        "Company: <b>Bold & Partners</b> {{companyName}}",
        "Company: Café ☕ Lumière",
    )
    return [(49_001 + place, name) for place, name in enumerate(names)]


def static_lists(dice: random.Random) -> list[int]:
    """Audience lists of one person."""
    return [number for number, share in _PLAIN if dice.random() < share]


def dynamic_lists(dice: random.Random) -> list[int]:
    """Dynamic lists that a person is on; the profile says nothing of them."""
    return [number for number, _, kind, share in AUDIENCES if kind == "Dynamic" and dice.random() < share]


def channels_json() -> dict[str, Any]:
    """The body of channels.json."""
    keys = ("id", "name", "channelType", "messageMedium")
    return {"channels": [dict(zip(keys, channel, strict=True)) for channel in CHANNELS]}


def message_types_json(end: datetime) -> dict[str, Any]:
    """The body of messageTypes.json."""
    keys = ("id", "name", "channelId", "subscriptionPolicy")
    rest = {"createdAt": _ms(end) - 90_000_000_000, "updatedAt": _ms(end) - 9_000_000_000}
    return {"messageTypes": [dict(zip(keys, kind, strict=True)) | rest for kind in MESSAGE_TYPES]}


def _entry(number: int, name: str, kind: str, end: datetime, dice: random.Random) -> dict[str, Any]:
    description = "" if dice.random() < 0.6 else f"Kept by marketing ({kind.lower()})"
    created = _ms(end) - dice.randrange(10**9, 10**11)
    return {"id": number, "name": name, "description": description, "createdAt": created, "listType": kind}


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
