"""What the customer signs after the sandbox run: its balance, its sample read back, its exceptions, and the versions it ran."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson
from django.db.models import Count, Min

from loads import staged
from loads.losses import deciding
from loads.models import LedgerEntry, Phase, Run, VerifiedRow
from loads.reconciliation import RECORDS, ROWS
from loads.verification import Tally
from mapping import plan
from mapping.owners.models import RESERVED
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement, Environment

SHOWN = 5
EXAMPLES = 20
OF_ANSWER = ("kind", "name", "as", "signed_by")


class NothingToSign(WorkbenchError):
    """There is no finished sandbox run."""

    remedy = "Wait until the sandbox run is done."


def sandbox_run(engagement: Engagement) -> Run:
    """The newest finished run into the sandbox. Raises NothingToSign."""
    run = Run.objects.loads().filter(engagement=engagement, environment__kind=Environment.Kind.SANDBOX, state=Run.State.DONE).first()
    if run is None:
        raise NothingToSign("No sandbox run is done yet.")
    return run


def sandbox_content(engagement: Engagement) -> dict[str, Any]:
    """What the sandbox sign-off shows and covers. Raises NothingToSign."""
    run = sandbox_run(engagement)
    return {
        "run": run.key,
        "phases": [phase_content(phase) for phase in run.phases.all()],
        "verified": verified_content(run),
        "losses": deciding.summary(run),
        "exceptions": exceptions_content(run),
        "owners": owners_content(run),
        "parts": run.parts,
    }


def owners_content(run: Run) -> list[dict[str, Any]]:
    """Who owns rows that another name owned at the source: {"kind", "name", "as", "signed_by", "owners"}, per answer.

    as: successor, or stub for a disabled user whom `signed_by` stands for; '' otherwise. A user of the same name isn't listed.
    """
    answers = plan.content_of(run.engagement, {"owners": run.parts["owners"]})["owners"]["answers"] if "owners" in run.parts else {}
    grouped: dict[tuple[str, ...], list[str]] = {}
    for owner, answer in sorted(answers.items()):
        if answer["kind"] != "user" or "as" in answer or answer["name"].strip().lower() != owner:
            key = tuple(answer.get(name, "") for name in OF_ANSWER)
            grouped.setdefault(key, []).append(RESERVED.get(owner, owner))
    return [{**dict(zip(OF_ANSWER, key, strict=True)), "owners": owners} for key, owners in sorted(grouped.items())]


def phase_content(phase: Phase) -> dict[str, Any]:
    """A phase's counts, as reports and sign-offs show them."""
    return {
        "environment": phase.run.environment.kind,
        "object": phase.object_name,
        "table": phase.table or None,
        "extracted": phase.extracted,
        **{name: getattr(phase, name) for name in RECORDS},
        "balanced": phase.balanced,
        "rows": {"planned": phase.planned, **{name: getattr(phase, name) for name in ROWS}},
    }


def everything_content(runs: Iterable[Run]) -> dict[str, int]:
    """What was read back of all that runs wrote: rows, different columns of their tables, and values by verdict; lookups among the values.

    edited_rows: that somebody else changed before they were read back. done: what was done with rows once they were there (ties, members,
    lookups, states, closings) and read back; undone: what of it isn't so; redone: what somebody else changed of it.
    """
    tally, done, columns = Tally(), Tally(), set[tuple[str, str]]()
    for phase in Phase.objects.filter(run__in=runs).exclude(verified={}):
        if phase.kind == Phase.Kind.ROWS:
            tally.take(phase.verified)
            columns |= {(phase.table, name) for name in phase.verified["columns"]}
        else:
            done.take(phase.verified)
    lookups = {"lookups": tally.lookups[0] + done.lookups[0], "lookups_wrong": tally.lookups[1] + done.lookups[1]}
    late = {"done": done.rows, "undone": done.wrong_rows, "redone": done.edited_rows}
    return {"rows": tally.rows, "columns": len(columns), "edited_rows": tally.edited_rows, **tally.values(), **lookups, **late}


def verified_content(run: Run) -> dict[str, Any]:
    """What was read back: of everything the counts, and of the sample counts and some rows with their fields, the worst first."""
    rows = VerifiedRow.objects.filter(run=run)
    counts = dict(rows.values_list("verdict").annotate(n=Count("pk")).order_by())
    samples = rows.select_related("phase").worst_of_each_phase(SHOWN)
    return {
        "rows": sum(counts.values()),
        **{verdict: counts.get(verdict, 0) for verdict in reversed(VerifiedRow.WORST)},
        "everything": everything_content([run]),
        "samples": [{"source_id": row.source_id, "table": row.phase.table, "fields": row.fields} for row in samples],
    }


def exceptions_content(run: Run) -> list[dict[str, Any]]:
    """Exceptions by outcome and code, the most frequent first, with one source id as an example."""
    entries = LedgerEntry.objects.filter(run=run).values("object_name", "outcome", "code")
    grouped = entries.annotate(count=Count("pk"), example=Min("source_id")).order_by("-count", "code")
    return [
        {"object": row["object_name"], "outcome": row["outcome"], "code": row["code"], "count": row["count"], "example": row["example"]}
        for row in grouped
    ]


def remarks_content(run: Run) -> list[dict[str, Any]]:
    """What is to be said of planned rows: losses (less arrives than the source held) and notes, by object, code and field.

    The most frequent first, with a few source ids of each.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    examples: dict[tuple[str, ...], list[str]] = {}
    for object_name in run.staged:
        for row in staged.read_reasons(run, object_name):
            for reason in orjson.loads(row["reasons"]) if row["disposition"] == "planned" else ():
                key = (object_name, reason["severity"], reason["code"], reason["field"])
                counts[key] += 1
                if counts[key] <= EXAMPLES:
                    examples.setdefault(key, []).append(row["source_id"])
    names = ("object", "severity", "code", "field")
    return [{**dict(zip(names, key, strict=True)), "count": count, "examples": examples[key]} for key, count in counts.most_common()]
