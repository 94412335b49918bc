"""The scope of an engagement as data: what is there, what moves where, what was found and decided, and the estimate with its arithmetic.

Everything in it is computed from what the database holds, so that a page, a document and a certificate say the same.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.db.models import Q

from loads import forecast
from mapping import plan
from mapping.checks import registry
from mapping.checks.deciding import choice_of
from mapping.checks.usage import usage_content
from mapping.counts import WORDS
from mapping.estimates import grading, volume
from mapping.models import DiscoveryFinding, FieldMap, PlanVersion, SplitRule
from mapping.playbooks import load_playbook
from reports import measures
from reports.books.scope import book
from reports.documents import write_book, write_json, write_sheets
from reports.models import Document
from reports.scope_sheets import sheets
from workbench.engagements import signoffs
from workbench.engagements.models import Engagement, Environment, Role, SignOff

KIND = "scope"
EXACT = ("1:1",)
LISTED = "Listed in an inventory, with a recommendation how to rebuild it."


def scope_content(engagement: Engagement) -> dict[str, Any]:
    """The whole scope; see the functions below for each part's shape."""
    inputs = measures.inputs(engagement)
    found = grading.grade(inputs)
    forecasts = [forecast.forecast(environment) for environment in _environments(engagement)]
    stages = grading.timeline(found, max((one.hours / 24 if one.days <= 1 else one.days for one in forecasts), default=0))
    return {
        "engagement": engagement.name,
        "platform": engagement.get_platform_display(),
        "counts": counts_content(engagement),
        "objects": objects_content(engagement),
        "fields": fields_content(engagement),
        "usage": usage_content(engagement),
        "split": split_content(engagement),
        "flattening": flattening_content(engagement),
        "findings": findings_content(engagement),
        "decisions": decisions_content(engagement),
        "forecasts": [forecast.content(one) for one in forecasts],
        "grade": {**asdict(found), "inputs": [asdict(one) for one in inputs.values()]},
        "timeline": timeline_content(stages),
        "effort": effort_content(inputs),
        "assumptions": list(assumptions(engagement, forecasts)),
    }


def write_scope(engagement: Engagement) -> Document:
    """The scope as a document."""
    return write_json(engagement, KIND, scope_content(engagement))


def write_workbook(engagement: Engagement) -> Document:
    """The scope as a workbook."""
    return write_sheets(engagement, KIND, sheets(scope_content(engagement)))


def write_pdf(engagement: Engagement) -> Document:
    """The scope on paper."""
    told = scope_content(engagement)
    return write_book(write_json(engagement, KIND, told), book(told))


def _environments(engagement: Engagement) -> list[Environment]:
    return list(Environment.objects.filter(engagement=engagement).select_related("engagement").order_by("-kind"))


def counts_content(engagement: Engagement) -> list[dict[str, Any]]:
    """[{"object", "title", "records", "basis"}], the largest first."""
    known = measures.moving(engagement)
    rows = [{"object": name, "title": _title(engagement, name), "records": c.records, "basis": WORDS[c.basis]} for name, c in known.items()]
    return sorted(rows, key=lambda row: (-row["records"], row["object"]))


def _title(engagement: Engagement, name: str) -> str:
    titles = {rule.name: rule.title for rule in load_playbook(engagement.platform).objects}
    return titles.get(name) or "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip().capitalize()


def objects_content(engagement: Engagement) -> dict[str, Any]:
    """{"rows": [{"object", "title", "tables", "cardinality", "note", "confirmed", "records"}], "moving", "of", "exact", "documented"}.

    moving of `of` objects become rows, `exact` of them one to one; the others are documented only.
    """
    known, without = measures.moving(engagement), measures.documented(engagement)
    rows = [
        {
            "object": row.object_name,
            "title": _title(engagement, row.object_name),
            "tables": row.tables,
            "cardinality": row.cardinality if row.tables else "documented",
            "note": row.note,
            "confirmed": row.confirmed,
            "records": known[row.object_name].records if row.object_name in known else None,
        }
        for row in measures.object_maps(engagement).order_by("pk")
    ]
    mapped = {row["object"] for row in rows}
    rows += [
        {"object": name, "title": _title(engagement, name), "tables": [], "cardinality": "documented", "note": LISTED, "confirmed": True,
         "records": known[name].records}
        for name in sorted(without - mapped)
    ]  # fmt: skip
    moving = [row for row in rows if row["tables"]]
    exact = sum(row["cardinality"] in EXACT for row in moving)
    confirmed = sum(row["confirmed"] for row in moving)
    return {
        "rows": rows,
        "moving": len(moving),
        "of": len(rows),
        "exact": exact,
        "confirmed": confirmed,
        "documented": len(rows) - len(moving),
    }


def fields_content(engagement: Engagement) -> dict[str, int]:
    """How many lines of field maps are in which state, and how many columns are new."""
    lines = FieldMap.objects.filter(engagement=engagement)
    states = Counter(lines.values_list("state", flat=True))
    new = lines.exclude(state=FieldMap.State.LEFT).exclude(new_column=None).values("table", "column").distinct().count()
    return {"of": sum(states.values()), **{state: states[state] for state in FieldMap.State.values}, "new_columns": new}


def split_content(engagement: Engagement) -> dict[str, Any]:
    """{"rows": [{"stage", "people", "outcome"}], "people": {outcome: people}, "signed", "field"}."""
    rules = SplitRule.objects.filter(engagement=engagement).order_by("-observed", "stage")
    people: Counter[str] = Counter()
    for rule in rules:
        people[rule.outcome or "open"] += rule.observed
    signed = signoffs.latest(engagement, SignOff.Kind.MATRIX)
    covered = signed and not signed.uncovered(plan.hashes(engagement, plan.MATRIX_PARTS))
    return {
        "field": plan.names_of(engagement)["lifecycle_field"],
        "rows": [{"stage": rule.stage, "people": rule.observed, "outcome": rule.outcome or "open"} for rule in rules],
        "people": dict(people),
        "signed": bool(covered),
    }


def flattening_content(engagement: Engagement) -> dict[str, Any] | None:
    """The newest `events` plan part: which payload keys become columns within which budget; None where the plan has no events."""
    version = PlanVersion.objects.filter(engagement=engagement, part="events").order_by("-version").first()
    return version.content if version else None


def findings_content(engagement: Engagement) -> dict[str, Any]:
    """{"counts": {severity: n}, "rows": [...]}: blockers and warnings in full, the worst first; information is counted."""
    rows = list(DiscoveryFinding.objects.filter(engagement=engagement).select_related("environment"))
    worst = {"blocker": 0, "warning": 1}
    told = sorted(
        (row for row in rows if row.severity in worst), key=lambda row: (worst[row.severity], row.check_name, row.subject, row.pk)
    )
    return {"counts": dict(Counter(row.severity for row in rows)), "rows": [_finding(row) for row in told]}


def _finding(row: DiscoveryFinding) -> dict[str, Any]:
    check = registry.of(row.check_name)
    return {
        "check": row.check_name,
        "title": check.title,
        "group": check.group,
        "subject": row.subject,
        "where": row.environment.kind if row.environment else "source",
        "severity": row.severity,
        "evidence": row.evidence,
        "remedy": row.remedy,
    }


def decisions_content(engagement: Engagement) -> dict[str, Any]:
    """{"open", "taken", "rows": [{..., "question", "who", "answer", "means", "by", "at", "comment", "off", "back"}]}."""
    asked = (
        DiscoveryFinding.objects.filter(engagement=engagement, asks=True)
        .select_related("environment")
        .order_by("check_name", "subject", "pk")
    )
    rows = [_decision(row) for row in asked]
    taken = sum(bool(row["answer"]) for row in rows)
    return {"open": len(rows) - taken, "taken": taken, "rows": rows}


def _decision(row: DiscoveryFinding) -> dict[str, Any]:
    check, answer = registry.of(row.check_name), choice_of(row)
    decision = check.decision
    return {
        **{key: value for key, value in _finding(row).items() if key not in ("severity", "remedy")},
        "question": decision.question if decision else "",
        "who": Role(decision.who).label if decision else "",
        "answer": answer.label if answer else "",
        "means": answer.means if answer else "",
        "by": row.decided_by,
        "at": row.decided_at.isoformat(timespec="seconds") if row.decided_at else None,
        "comment": row.comment,
        "off": row.off_at.isoformat(timespec="seconds") if row.off_at else None,
        "back": row.back_at.isoformat(timespec="seconds") if row.back_at else None,
    }


def timeline_content(stages: list[grading.Stage]) -> dict[str, Any]:
    """{"stages": [{"stage", "days", "first", "last", "from", "rule"}], "days", "weeks"}; from: days before it begins."""
    rows = [{**asdict(stage), "from": stage.first - 1} for stage in stages]
    return {"stages": rows, "days": sum(stage.days for stage in stages), "weeks": grading.weeks(stages)}


def effort_content(inputs: dict[str, grading.Input]) -> dict[str, Any]:
    """{"rows": [{"work", "role", "days", "rule"}], "days": {role: days}}."""
    works = grading.effort(inputs)
    days = {role: sum(work.days for work in works if work.role == role) for role in sorted({work.role for work in works})}
    return {"rows": [asdict(work) for work in works], "days": days}


def assumptions(engagement: Engagement, forecasts: list[forecast.Forecast]) -> Iterator[str]:
    """What the figures rest on and nobody has confirmed, in sentences."""
    names = plan.names_of(engagement)
    zones = f"Times without a zone are taken in {names['source_zone']}; days and wall times are taken in {names['day_zone']}"
    own = FieldMap.objects.filter(engagement=engagement).filter(Q(options__has_key="zone") | Q(options__has_key="source_zone")).count()
    yield f"{zones}, but for {own} field maps with zones of their own." if own else f"{zones}."
    yield f"New columns carry the prefix {engagement.prefix}; the lifecycle stage is the field {names['lifecycle_field']}."
    by_basis = Counter(count.basis for count in measures.moving(engagement).values())
    if by_basis["estimate"] or by_basis["discovery"]:
        yield "Records are those that discovery counted; the full extraction counts them again."
    yield "Days of effort and of the calendar follow a table of rules, shown with the estimate; a week has five working days."
    for one in forecasts:
        measured = sum(line.measured for line in one.lines)
        if measured < len(one.lines):
            where = f"{one.environment.capitalize()}: bytes of a row are assumed for {len(one.lines) - measured} of {len(one.lines)} tables"
            yield f"{where}, until a sandbox run measures them."
        if not one.pool_entered:
            yield f"{one.environment.capitalize()}: nobody entered the licences; the pool counts as {one.pool:,} requests a day."
        if absent := [kind for kind, free in one.free.items() if free is None]:
            yield f"{one.environment.capitalize()}: nobody entered how much storage is free ({', '.join(absent)})."
    if all(one.rows_a_second == volume().rows_a_second for one in forecasts):
        yield f"A load writes {volume().rows_a_second} rows a second until a sandbox run of some length measures it."
