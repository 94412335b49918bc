"""The companies that the people of a world work for, and the salespeople who look after them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.simulators.world.words import SHARES, TONGUES, Tongue, latin

HOME = "haldenvoss.example"  # the company that migrates
# Owners of the source who are no plain user of the destination: one who left, an address that two users share, one who is known by
# the domain name only, the name of a team, and addresses that nobody has.
LEAVER = f"kerstin.adler@{HOME}"
SHARED = f"team.nord@{HOME}"
BY_DOMAIN_NAME = f"b.okafor@{HOME}"
TEAM = "Inside Sales"
UNKNOWN_OWNERS = (f"ex.employee@{HOME}", "freelancer@agency.example", f"p.wolff@old-{HOME}")
FIRST_COMPANY_LIST, FIRST_DYNAMIC_LIST = 50_001, 60_001
DYNAMIC_COMPANIES = 3  # so many of those without a list have a dynamic one, of which profiles say nothing
MOST_COMPANIES = 4000


@dataclass(frozen=True, slots=True)
class Company:
    """An organisation; `list_id` is 0 where the source has no list for it and only the e-mail domain, or a dynamic list, tells."""

    name: str
    domain: str
    tongue: Tongue
    list_id: int
    dynamic_id: int = 0


@dataclass(frozen=True, slots=True)
class Rep:
    """A salesperson of the migrating company."""

    given: str
    family: str
    email: str


def world_end(seed: int) -> datetime:
    """The last moment of a world; its dates follow the seed, not today."""
    return datetime(2024, 1, 15, 12, tzinfo=UTC) + timedelta(days=seed * 7919 % 500)


def make_companies(people: int, seed: int) -> list[Company]:
    """About one company for 12 people, at most 4000; two of three have a list. Names and domains differ."""
    dice = random.Random(f"{seed}/companies")
    wanted = min(MOST_COMPANIES, max(12, people // 12)) if people else 0
    names: set[str] = set()
    domains: set[str] = set()
    made: list[Company] = []
    while len(made) < wanted:
        tongue = dice.choices(TONGUES, SHARES)[0]
        stem = dice.choice(tongue.stems if dice.random() < 0.4 else tongue.family)
        trade = dice.choice(tongue.trades)
        name = dice.choice(tongue.company).format(stem=stem, trade=trade)
        domain = f"{latin(stem)}-{latin(trade)}.example"
        if name in names or domain in domains:
            city = dice.choice(tongue.cities)[0]
            name, domain = f"{name} ({city})", f"{latin(stem)}-{latin(trade)}{len(made)}.example"
        if name not in names and domain not in domains:
            names.add(name)
            domains.add(domain)
            number, is_listed = len(made), len(made) % 3 < 2
            dynamic_id = FIRST_DYNAMIC_LIST + number // 3 if not is_listed and number // 3 < DYNAMIC_COMPANIES else 0
            made.append(Company(name, domain, tongue, FIRST_COMPANY_LIST + number if is_listed else 0, dynamic_id))
    return made


def make_reps(people: int, seed: int) -> list[Rep]:
    """Eight salespeople and one more for each 2,500 people, at most 60 more."""
    dice = random.Random(f"{seed}/reps")
    return list(_reps(dice, 8 + min(people // 2500, 60)))


def _reps(dice: random.Random, count: int) -> Iterator[Rep]:
    taken: set[str] = set()
    while len(taken) < count:
        tongue = dice.choice(TONGUES[:7])
        given, family = dice.choice(tongue.given), dice.choice(tongue.family)
        email = f"{latin(given)}.{latin(family)}@{HOME}"
        if email not in taken:
            taken.add(email)
            yield Rep(given, family, email)
