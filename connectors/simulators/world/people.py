"""The people of a world, row by row in the shape of Iterable's user export."""

from __future__ import annotations

import random
import zlib
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from connectors.simulators.world import lists
from connectors.simulators.world.companies import Company, Rep
from connectors.simulators.world.words import FREE_MAIL, JOBS, SHARES, TONGUES, Tongue, latin

STAGES = ("subscriber", "lead", "MQL", "SQL", "customer", "evangelist")
STAGE_SHARES = (34, 22, 12, 8, 20, 4)
PLANS = ("free", "starter", "business", "enterprise")
INTERESTS = ("logistics", "analytics", "billing", "security", "automation", "reporting", "Schulung", "日本市場")
SOURCES = ("API", "Import", "Web form", "Trade fair", "Referral")
IMPORTS = 5  # moments at which very many profiles were written at once
RECENT = 40
_latin = lru_cache(maxsize=4096)(latin)


@dataclass(slots=True)
class Person:
    """One row on its way: what it says, and what it was made of."""

    row: dict[str, Any]
    tongue: Tongue
    company: Company | None
    updated: datetime
    dynamic: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)  # kinds of dirt on it


@dataclass(slots=True)
class Crowd:
    """What the making of people shares; `recent` holds clean rows that later ones may repeat."""

    people: int
    dice: random.Random
    companies: Sequence[Company]
    reps: Sequence[Rep]
    end: datetime
    recent: deque[Person] = field(default_factory=lambda: deque(maxlen=RECENT))
    made: Counter[str] = field(default_factory=Counter)  # how often each kind of dirt was made
    forgotten_emails: list[str] = field(default_factory=list)
    forgotten_user_ids: list[str] = field(default_factory=list)
    imports: list[datetime] = field(default_factory=list)
    _addresses: set[int] = field(default_factory=set)

    def free_address(self, local: str, domain: str, number: int) -> str:
        """local@domain, with a number where somebody has it (checksums are kept instead of addresses: a few numbers too many)."""
        address = f"{local}@{domain}"
        mark = zlib.crc32(address.encode())
        if mark in self._addresses:
            return f"{local}{number}@{domain}"
        self._addresses.add(mark)
        return address


def make_people(crowd: Crowd) -> Iterator[Person]:
    """Clean people, as many as the crowd has; dirt comes after."""
    crowd.imports = [crowd.end - timedelta(days=90 * place + 3, minutes=17) for place in range(IMPORTS)]
    for number in range(crowd.people):
        yield _person(crowd, number)


def moment(at: datetime) -> str:
    """A time as profiles have it."""
    return f"{at:%Y-%m-%d %H:%M:%S} +00:00"


def _person(crowd: Crowd, number: int) -> Person:
    dice = crowd.dice
    company = crowd.companies[int(len(crowd.companies) * dice.random() ** 2)] if dice.random() < 0.82 else None
    tongue = company.tongue if company and dice.random() < 0.9 else dice.choices(TONGUES, SHARES)[0]
    given, family = dice.choice(tongue.given), dice.choice(tongue.family)
    signup = crowd.end - timedelta(seconds=int(dice.random() * 6 * 365 * 86400) + 86400)
    updated = dice.choice(crowd.imports) if dice.random() < 0.06 else signup + (crowd.end - signup) * dice.random() ** 0.5
    updated = max(updated, signup).replace(microsecond=0)
    row: dict[str, Any] = {"email": _address(crowd, number, given, family, company)}
    if dice.random() < 0.94:
        row["userId"] = f"u-{100_000 + number}"
    row |= {"firstName": given, "lastName": family, "lifecycleStage": dice.choices(STAGES, STAGE_SHARES)[0]}
    row["ownerEmail"] = _owner(crowd, company)
    _add_contact_data(row, tongue, company, dice)
    _add_custom_fields(row, number, crowd.end, dice)
    row["emailListIds"] = ([company.list_id] if company and company.list_id and dice.random() < 0.93 else []) + lists.static_lists(dice)
    row |= _consent(dice)
    row |= {"signupDate": moment(signup), "signupSource": dice.choice(SOURCES), "profileUpdatedAt": moment(updated)}
    row["itblInternal.emailDomain"] = row["email"].rsplit("@", 1)[1]
    dynamic = lists.dynamic_lists(dice) + ([company.dynamic_id] if company and company.dynamic_id else [])
    return Person(row, tongue, company, updated, dynamic)


def _address(crowd: Crowd, number: int, given: str, family: str, company: Company | None) -> str:
    first, last = _latin(given) or "x", _latin(family) or "x"
    if company is None:
        return f"{first}_{last}{number}@{crowd.dice.choice(FREE_MAIL)}"
    return crowd.free_address(f"{first}.{last}", company.domain, number)


def _owner(crowd: Crowd, company: Company | None) -> str:
    reps = crowd.reps
    if company is None or crowd.dice.random() < 0.1:
        return crowd.dice.choice(reps).email
    return reps[zlib.crc32(company.domain.encode()) % len(reps)].email


def _add_contact_data(row: dict[str, Any], tongue: Tongue, company: Company | None, dice: random.Random) -> None:
    if dice.random() < 0.6:
        row["phoneNumber"] = "".join(str(dice.randrange(10)) if sign == "#" else sign for sign in tongue.phone)
    if dice.random() < 0.7:
        row["jobTitle"] = dice.choice(JOBS)
    if company and dice.random() < 0.7:
        row["companyName"] = company.name
    if dice.random() < 0.55:
        city, code = dice.choice(tongue.cities)
        row |= {"street": f"{dice.choice(tongue.streets)} {dice.randrange(1, 180)}", "city": city, "postalCode": code}
        row["country"] = tongue.country


def _add_custom_fields(row: dict[str, Any], number: int, end: datetime, dice: random.Random) -> None:
    """Typed fields of this project; each is filled for some people only."""
    row |= {"score": dice.randrange(101), "plan": dice.choice(PLANS), "newsletter": dice.random() < 0.6}
    if dice.random() < 0.5:
        row["annualSpend"] = round(dice.random() ** 3 * 50_000, 2)
    if dice.random() < 0.4:
        row["birthday"] = f"{dice.randrange(1948, 2004)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}"
    if dice.random() < 0.25:
        row["lastDemoAt"] = moment(end - timedelta(minutes=dice.randrange(1, 700_000)))
    if dice.random() < 0.5:
        row["interests"] = dice.sample(INTERESTS, dice.randrange(4))
    if dice.random() < 0.35:
        row["preferences"] = {"language": dice.choice(TONGUES).code, "contact": {"time": "am", "weekdays": [1, 3]}}
    if dice.random() < 0.1:
        row["location"] = {"lat": round(dice.uniform(36, 60), 5), "lon": round(dice.uniform(-9, 30), 5)}
    if dice.random() < 0.15:
        row |= {"legacyId": 9_007_199_254_740_993 + number, "accountCode": f"{number:08}"}
    if dice.random() < 0.1:
        row |= {"companySize": dice.choice(("1-10", "11-50", "51-200")), "CompanySize": dice.randrange(1, 900), "Größe": "mittel"}
    if dice.random() < 0.08:
        row |= {"Lead Source": "Messe", "whichOfOurManyProductsAreYouMostInterestedInRightNow": dice.choice(INTERESTS)}


def _consent(dice: random.Random) -> dict[str, list[int]]:
    """The three arrays as most people have them: nothing refused, or little."""
    refused_channels = [31] if dice.random() < 0.06 else []
    if dice.random() < 0.04:
        refused_channels.append(33)
    return {
        "unsubscribedChannelIds": refused_channels,
        "unsubscribedMessageTypeIds": [number for number, share in ((901, 0.08), (902, 0.05), (906, 0.03)) if dice.random() < share],
        "subscribedMessageTypeIds": [number for number, share in ((903, 0.25), (905, 0.1), (908, 0.05)) if dice.random() < share],
    }
