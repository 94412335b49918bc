"""Checks of what an environment is: whether and how fast it answers, who is there, which money, tables and settings bear on the load."""

import math
from collections import Counter
from collections.abc import Iterator

from connectors.base import Finding
from connectors.dataverse import directory
from connectors.latency import FAR_MS, in_words, round_trip_ms
from mapping import estimates
from mapping.checks.look import Look
from mapping.checks.registry import check
from mapping.counts import rows_per_table

GROUP = "Environment"


@check("environment_answers", "Sign-in", GROUP, "Whether the application user can sign in.")
def environment_answers(look: Look) -> Iterator[Finding]:
    """Signed in, and as whom."""
    yield Finding("environment_answers", "info", f"Signed in as application user {look.me['UserId']}.")


@check("latency", "Round trip", GROUP, "How long a request takes there and back, and how long the load waits for that alone.")
def latency(look: Look) -> Iterator[Finding]:
    """The round trip, and what it comes to for the rows of the plan."""
    ms, rows_per_call = round_trip_ms(look.client.who_am_i), estimates.volume().rows_per_call
    rows = sum(sum(tables.values()) for tables in rows_per_table(look.engagement).values())
    calls = 2 * math.ceil(rows / rows_per_call)  # written, and read back
    way = _duration(calls * ms / 1000)
    waits = f"{calls:,} requests of {rows_per_call} rows write and read back the plan's {rows:,} rows: {way} on the way"
    evidence = f"{in_words(ms)} {waits}, one after the other; a share of that where several go at once." if rows else in_words(ms)
    remedy = "Run the workers on a machine in the environment's region." if ms >= FAR_MS else ""
    yield Finding("latency", "warning" if remedy else "info", evidence, remedy)


def _duration(seconds: float) -> str:
    """Seconds, minutes or hours, as is fit."""
    for most, unit, length in ((90, "s", 1), (90 * 60, "min", 60)):
        if seconds < most:
            return f"{max(1, round(seconds / length))} {unit}"
    return f"{seconds / 3600:,.1f} h"


@check("users", "Users", GROUP, "Who can own rows, and whether an e-mail address belongs to one user only.")
def users(look: Look) -> Iterator[Finding]:
    """How many users can own rows."""
    able = [user for user in look.people if user.can_own]
    yield Finding("users", "info", f"{len(able)} of {len(look.people)} users can own rows.")
    doubled = sum(count > 1 for count in Counter(user.email.lower() for user in able if user.email).values())
    if doubled:
        evidence = f"E-mail addresses that belong to several enabled users: {doubled}."
        yield Finding("users", "warning", evidence, "Answer these owners by domain name.", subject="users with one e-mail")


@check("base_currency", "Base currency", GROUP, "The currency that every base amount is computed in.")
def base_currency(look: Look) -> Iterator[Finding]:
    """The base currency, and which others there are."""
    currency = directory.base_currency(look.client)
    others = sorted(other.code for other in look.currencies if other.id != currency.id)
    also = f" Also there: {', '.join(others)}." if others else " No other currency is set up."
    yield Finding("base_currency", "info", f"The base currency is {currency.code}.{also}", rests_on={"code": currency.code})


@check("tables", "Tables and columns", GROUP, "Whether the tables that the plan writes are there.")
def tables(look: Look) -> Iterator[Finding]:
    """What is there, and what isn't."""
    told = ", ".join(f"{name} {len(table.columns)} columns" for name, table in look.tables.items())
    yield Finding("tables", "info", f"{len(look.there)} tables; of those that are loaded: {told}.")
    for name in look.planned:
        if name not in look.tables and not name.startswith(f"{look.engagement.prefix}_"):  # those the plan makes
            remedy = "Check the edition and the installed apps, or take the table out of the object maps."
            yield Finding("tables", "blocker", f"The environment has no table {name}, which the plan writes.", remedy, subject=name)
