"""What a load will take: requests against the tenant's pool, hours, and storage against what is free.

Rows are those of the newest finished sandbox run where there is one, else what discovery counted; the same with the bytes of a row.
Sources: power-platform/admin/api-request-limits-allocations (the pool); what is assumed stands in mapping/estimates/volume.toml.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from loads import staged
from loads.models import Phase, Run
from mapping import estimates
from mapping.counts import rows_per_table
from mapping.models import DiscoveryFinding
from mapping.playbooks import load_playbook
from workbench.engagements.models import Engagement, Environment

SAMPLED = 1_000  # staged rows of a phase that are measured
GB = 1024**3
ACTIVITIES = frozenset({"task", "campaignresponse", "email", "phonecall", "appointment"})


@dataclass(frozen=True, slots=True)
class Line:
    """The rows that one object makes in one table. basis: sandbox or discovery; bytes are of all its rows together."""

    object_name: str
    table: str
    rows: int
    basis: str
    bytes_per_row: int
    measured: bool
    database: int
    file: int
    log: int
    requests: int
    apart: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a load into an environment takes. pool: requests in 24 hours that it may use, by the licences entered or by what is allowed."""

    environment: str
    lines: tuple[Line, ...]
    pool: int
    pool_entered: bool
    rows_a_second: float
    free: Mapping[str, float | None]

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(line.rows for line in self.lines)

    @property
    def requests(self) -> int:
        """Requests, each row of a bulk call counted, as the service counts them."""
        return sum(line.requests for line in self.lines)

    @property
    def days(self) -> int:
        """Days that the pool makes it last."""
        return math.ceil(self.requests / self.pool) if self.requests else 0

    @property
    def hours(self) -> float:
        """Hours at the pace that was measured or is assumed."""
        return self.requests / self.rows_a_second / 3600

    def gb(self, kind: str, *, apart: bool | None = None) -> float:
        """GB of `database`, `file` or `log`; apart: only what is shown apart, or only the rest."""
        return sum(getattr(line, kind) for line in self.lines if apart is None or line.apart == apart) / GB

    def short(self) -> list[str]:
        """Kinds of storage of which there isn't enough, as far as it was entered."""
        return [kind for kind, free in self.free.items() if free is not None and self.gb(kind) > free]


def forecast(environment: Environment) -> Forecast:
    """The forecast for an environment, by the newest that is known."""
    engagement, assumed = environment.engagement, estimates.volume()
    run = sandbox_run(engagement)
    audited = _audited(environment)
    apart = shown_apart(engagement)
    lines = _measured(run, assumed, audited, apart) if run else _estimated(engagement, assumed, audited, apart)
    free = {kind: getattr(environment, f"free_{kind}_gb") for kind in ("database", "file", "log")}
    return Forecast(
        environment=environment.kind,
        lines=tuple(lines),
        pool=pool(environment),
        pool_entered=environment.licences is not None or environment.daily_requests is not None,
        rows_a_second=(_pace(run) if run else 0) or assumed.rows_a_second,
        free={kind: None if value is None else float(value) for kind, value in free.items()},
    )


def pool(environment: Environment) -> int:
    """Requests of 24 hours that a load may use: what the customer allows, else all that the tenant's application users share."""
    assumed = estimates.volume()
    whole = min(assumed.pool_at_most, assumed.pool + assumed.pool_per_licence * (environment.licences or 0))
    return whole if environment.daily_requests is None else environment.daily_requests


def shown_apart(engagement: Engagement) -> frozenset[str]:
    """Tables of what comes by the million: activities, and those that the plan makes in their place."""
    return ACTIVITIES | {rule.name for rule in load_playbook(engagement.platform, engagement.prefix).tables}


def sandbox_run(engagement: Engagement) -> Run | None:
    """The newest finished run into the sandbox."""
    return Run.objects.loads().filter(engagement=engagement, environment__kind=Environment.Kind.SANDBOX, state=Run.State.DONE).first()


def _audited(environment: Environment) -> set[str]:
    """Tables whose changes are recorded in the audit log during the load."""
    finding = (
        DiscoveryFinding.objects.filter(environment=environment, check_name="quiet_auditing", asks=True).exclude(decision="off").first()
    )
    return set(finding.facts.get("audited", ())) if finding else set()


def _measured(run: Run, assumed: estimates.Volume, audited: set[str], apart: Collection[str]) -> Iterable[Line]:
    """By a sandbox run: the rows that it planned, and what the staged ones of each phase hold."""
    for phase in _phases_of_rows(run):
        size = assumed.size(phase.table)
        content = _content_of(phase, assumed.character)
        per_row = size.database if content is None else assumed.overhead * (1 + size.further_rows) + content
        yield _line(phase.object_name, phase.table, phase.planned, "sandbox", per_row, content is not None, size, audited, apart)


def _phases_of_rows(run: Run) -> list[Phase]:
    """The phases that make rows; passes that only change rows are in their tables' requests already."""
    phases = run.phases.exclude(table="").order_by("number")
    return [phase for phase in phases if getattr(phase, "kind", "rows") == "rows"]


def _content_of(phase: Phase, character: int) -> int | None:
    """Bytes of the values of a row, on average over some staged rows; None where there are none."""
    rows = [row.values for row in islice(staged.read(staged.rows_of(phase), 0, SAMPLED), SAMPLED)]
    return round(sum(_bytes(values, character) for values in rows) / len(rows)) if rows else None


def _bytes(values: Mapping[str, Any], character: int) -> int:
    return sum(len(value) * character if isinstance(value, str) else 8 for value in values.values() if value is not None)


def _estimated(engagement: Engagement, assumed: estimates.Volume, audited: set[str], apart: Collection[str]) -> Iterable[Line]:
    """By discovery: its counts, and rows of the sizes that are assumed."""
    for object_name, tables in rows_per_table(engagement).items():
        for table, rows in tables.items():
            size = assumed.size(table)
            yield _line(object_name, table, rows, "discovery", size.database, False, size, audited, apart)


def _line(
    object_name: str,
    table: str,
    rows: int,
    basis: str,
    per_row: int,
    measured: bool,
    size: estimates.Size,
    audited: set[str],
    apart: Collection[str],
) -> Line:
    return Line(
        object_name=object_name,
        table=table,
        rows=rows,
        basis=basis,
        bytes_per_row=per_row,
        measured=measured,
        database=rows * per_row,
        file=rows * size.file,
        log=rows * size.log if table in audited else 0,
        requests=rows * size.requests,
        apart=table in apart,
    )


def _pace(run: Run) -> float:
    """Requests a second that the sandbox run came to, over the phases that took long enough to tell; 0 where none did."""
    assumed = estimates.volume()
    timed = [phase for phase in _phases_of_rows(run) if phase.seconds > 1]
    sent = sum(phase.planned * assumed.size(phase.table).requests for phase in timed)
    return sent / sum(phase.seconds for phase in timed) if timed else 0.0


def size_text(count: float) -> str:
    """Bytes as people read them, in the unit that fits."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:,.1f} GB"


def hours_text(hours: float) -> str:
    """Hours as people read them."""
    return "under an hour" if hours < 1 else f"about {hours:,.0f} hours"


def content(found: Forecast) -> dict[str, Any]:
    """A forecast as data: totals and lines."""
    return {
        "environment": found.environment,
        "rows": found.rows,
        "requests": found.requests,
        "pool": found.pool,
        "pool_entered": found.pool_entered,
        "days": found.days,
        "hours": round(found.hours, 2),
        "rows_a_second": round(found.rows_a_second, 1),
        "duration": hours_text(found.hours),
        "storage": {kind: _storage(found, kind) for kind in ("database", "file", "log")},
        "short": found.short(),
        "lines": [asdict(line) for line in found.lines],
    }


def _storage(found: Forecast, kind: str) -> dict[str, Any]:
    events = found.gb(kind, apart=True)
    return {
        "gb": round(found.gb(kind), 3),
        "text": size_text(found.gb(kind) * GB),
        "free": found.free[kind],
        "events_gb": round(events, 3),
        "events_text": size_text(events * GB) if events else "",
    }
