"""Checks of volume: requests against the tenant's pool, storage against what is free, and events apart with cheaper choices."""

from collections.abc import Iterator

from connectors.base import Finding
from loads.forecast import ACTIVITIES, GB, Forecast, forecast, size_text
from mapping.checks.keeping import keep
from mapping.checks.look import Look
from mapping.checks.registry import Choice, Decision, check
from workbench.engagements.models import Engagement, Environment, Role

GROUP = "Volume"
NAMES = ("request_entitlement", "storage_forecast", "event_storage")
MANY_EVENTS = 250_000  # from here a table of its own is worth offering
KINDS = {"database": "database", "file": "file", "log": "log"}


@check(
    "request_entitlement", "Requests", GROUP, "The requests of the load against what the tenant's application users may send in 24 hours.",
    Decision(
        "The load needs more requests than the tenant's pool gives in a day. What happens?",
        (
            Choice("days", "Spread it over the days", "The load stays within the pool and lasts as long as the forecast says."),
            Choice("addon", "Buy more for the window", "The customer adds capacity packs of 50,000 requests a day for the window."),
        ),
        Role.APPROVER, "days",
    ),
)  # fmt: skip
def request_entitlement(look: Look) -> Iterator[Finding]:
    """Requests, the pool, and the days that it makes the load last."""
    yield from requests_of(forecast(look.environment))


def requests_of(found: Forecast) -> Iterator[Finding]:
    """The finding about requests."""
    known = f"{found.pool:,} a day" if found.pool_entered else f"at least {found.pool:,} a day (the licences aren't entered)"
    evidence = f"{found.rows:,} rows take {found.requests:,} requests with their state changes; it may use {known}."
    if found.days > 1:
        yield Finding("request_entitlement", "warning", f"{evidence} The load lasts {found.days} days.", rests_on={"days": found.days})
    else:
        yield Finding("request_entitlement", "info", f"{evidence} It fits into one day.")


@check(
    "storage_forecast", "Storage", GROUP, "The storage that the load adds, against what a person entered as free.",
    Decision(
        "The load needs more storage than is free. What happens?",
        (
            Choice("buy", "Storage is added", "The customer buys storage or frees some before the load.", holds=True),
            Choice("less", "Less is moved", "Objects or columns stay behind, then the forecast is made anew.", holds=True),
            Choice("overage", "Go over it", "The customer knows that Microsoft may limit what the environment can do while it is short."),
        ),
        Role.APPROVER, "overage",
    ),
)  # fmt: skip
def storage_forecast(look: Look) -> Iterator[Finding]:
    """Database, file and log storage."""
    yield from storage_of(forecast(look.environment))


def storage_of(found: Forecast) -> Iterator[Finding]:
    """The finding about storage."""
    told = []
    for kind, words in KINDS.items():
        free = found.free[kind]
        told.append(f"{words} {size_text(found.gb(kind) * GB)}" + ("" if free is None else f" of {free:g} GB free"))
    evidence = f"The load adds about {', '.join(told)}. {_basis(found)}"
    if short := found.short():
        remedy = f"{', '.join(short).capitalize()} storage is short."
        yield Finding("storage_forecast", "warning", evidence, remedy, rests_on={"short": short})
    else:
        yield Finding("storage_forecast", "info", evidence)


def _basis(found: Forecast) -> str:
    measured = sum(line.measured for line in found.lines)
    if measured:
        return f"Bytes of a row were measured in the sandbox run for {measured} of {len(found.lines)} tables."
    return "Bytes of a row are assumed until the sandbox run measures them."


@check(
    "event_storage", "Events and other history", GROUP, "What activities take: they cost several rows each, and there are many of them.",
    Decision(
        "There are many events, and an activity costs several rows. Where do they go?",
        (
            Choice("activities", "Activities, as planned", "Each is a completed task on the timeline of its person."),
            Choice("own_table", "A table of their own", "One row each; an engineer chooses it among the rules of the plan.", holds=True),
            Choice("fewer_columns", "Fewer columns", "The commonest keys only; the rest stays in the payload column.", holds=True),
            Choice("leave", "Leave them", "Events stay in the landed data; nothing of them is loaded.", holds=True),
        ),
        Role.APPROVER, "activities",
    ),
)  # fmt: skip
def event_storage(look: Look) -> Iterator[Finding]:
    """Events and other history apart from everything else."""
    yield from events_of(forecast(look.environment))


def events_of(found: Forecast) -> Iterator[Finding]:
    """The finding about events; none where the plan has none."""
    rows = sum(line.rows for line in found.lines if line.apart)
    if not rows:
        return
    apart, rest = (size_text(found.gb("database", apart=part) * GB) for part in (True, False))
    activities = sum(line.rows for line in found.lines if line.table in ACTIVITIES)
    what = "activities" if activities == rows else f"events and activities, {rows - activities:,} of them in a table of their own,"
    many = activities > MANY_EVENTS
    yield Finding("event_storage", "warning" if many else "info", f"{rows:,} {what} take {apart} of database storage, all else {rest}.",
                  rests_on={"many": many})  # fmt: skip


def refresh(engagement: Engagement, *, actor: object) -> None:
    """Make the checks of volume anew for every environment, as after a sandbox run: nothing is asked of the environments for it."""
    for environment in Environment.objects.filter(engagement=engagement).select_related("engagement"):
        found = forecast(environment)
        findings = [*requests_of(found), *storage_of(found), *events_of(found)]
        keep(engagement, environment, findings, only=NAMES, actor=actor)
