"""The data-quality report: what of a run's staged records fails which rule of the destination, before anything is loaded.

It is counted from what staging said of each record, so that it can't disagree with the load. A run waits here until the customer has
decided about every group (`loads.quality_decisions`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from connectors import store
from connectors.models import Dataset
from loads import answered, staged
from loads.models import Chunk, Phase, QualityGroup, Run
from loads.reasons import RULES, asks, explained, rule_of
from loads.signals import measured
from mapping import plan
from mapping.quality import deciding, duties, rules
from mapping.quality.deciding import Subject
from mapping.quality.models import QualityDecision, QualityDuty, Remedy
from workbench.engagements.models import Engagement, Environment

SAMPLES = 5
TOGETHER = 50  # files of a range of records each
SKIPPED, UNFIT = "quality.skipped", "quality.default_unfit"
SEVERITIES = ("loss", "hold", "reject")
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """A group of the report with what was decided about it. settled: another decision since then has answered it too.

    duty: who is to see to its decision, and until when.
    """

    group: QualityGroup
    decision: QualityDecision | None
    mapped: bool
    settled: bool = False
    duty: QualityDuty | None = None

    @property
    def severity(self) -> str:
        """Of the reason by itself, whatever was decided."""
        return self.decision.severity if self.decision else self.group.severity

    @property
    def asks(self) -> bool:
        """Whether the customer decides about it."""
        return asks(self.group.code, self.severity)

    @property
    def is_open(self) -> bool:
        """Whether it waits for a decision."""
        return self.asks and self.decision is None and not self.settled

    @property
    def is_overdue(self) -> bool:
        """Whether it waits for a decision that was to be there by now."""
        return self.is_open and self.duty is not None and self.duty.due_on < timezone.now().date()

    @property
    def choices(self) -> list[rules.Choice]:
        """The answers that fit, the proposed one first."""
        return rules.choices(self.severity, mapped=self.mapped) if self.asks else []

    @property
    def subject(self) -> Subject:
        """What a decision is about."""
        return Subject(self.group.object_name, self.group.field, self.group.code, self.severity, self.mapped)

    @property
    def rule(self) -> str:
        """The destination's rule in words."""
        return RULES[rule_of(self.group.code)]

    @property
    def words(self) -> str:
        """What the reason means."""
        return explained(self.group.code)

    @property
    def outcome(self) -> str:
        """What becomes of the records as it stands, in words."""
        if self.decision:
            value = f": {self.decision.value}" if self.decision.value else ""
            return f"{self.decision.get_choice_display()}{value}"
        if not self.asks:
            return "Follows a signed rule or another record"
        return "The default was changed since" if self.settled else "Open"


def measure(run: Run, beat: Callable[[], None] = lambda: None) -> None:
    """Count what staging said of the run's records, in place of what was counted before. Set-based; memory holds the groups.

    beat: is called between files.
    """
    known = deciding.decided(run.engagement)
    moving = set(run.phases.exclude(kind=Phase.Kind.DOCUMENT).values_list("object_name", flat=True))
    groups: dict[Key, QualityGroup] = {}
    for object_name in (name for name in run.staged if name in moving):
        decided = [[field, code] for name, field, code in known if name == object_name]
        for paths in store.batched(staged.explained(run, object_name), TOGETHER):
            for field, code, severity, records, samples in _counted(paths, decided):
                names = {"object_name": object_name, "field": field, "code": code}
                group = groups.setdefault((object_name, field, code), QualityGroup(run=run, severity=severity, **names))
                group.severity = max(group.severity, severity, key=_weight)
                group.records += records
                group.samples = [*group.samples, *([one["source_id"], one["detail"]] for one in samples)][:SAMPLES]
            beat()
    run.measured_at = timezone.now()
    with transaction.atomic():
        QualityGroup.objects.filter(run=run).delete()
        QualityGroup.objects.bulk_create(groups.values(), batch_size=500)
        Run.objects.filter(pk=run.pk).update(measured_at=run.measured_at)
    measured.send(sender=Run, run=run)


def _counted(paths: Sequence[Path], decided: Sequence[Sequence[str]]) -> list[tuple[str, str, str, int, list[dict[str, str]]]]:
    """(field, code, the gravest severity, records, the first of them) of what was said of records, in the records' order.

    Each code and field counts once for a record; of left-out records only those that a decision left out. decided: (field, code).
    """
    given = {"paths": [str(path) for path in paths], "skipped": SKIPPED, "severities": list(SEVERITIES), "decided": list(decided)}
    with store.reader() as con:
        return con.execute(_COUNTED, given).fetchall()


_COUNTED = f"""
    WITH told AS (
        SELECT position, source_id, disposition, from_json(decode(reasons),
               '[{{"code": "VARCHAR", "field": "VARCHAR", "detail": "VARCHAR", "severity": "VARCHAR"}}]') AS reasons
        FROM read_parquet($paths) WHERE reasons <> '[]'::BLOB),
    counting AS (
        SELECT position, source_id, [one for one in reasons if one.code <> $skipped AND (
               list_contains($severities, one.severity) OR list_contains($decided, [one.field, one.code]))] AS reasons
        FROM told WHERE disposition IN ('planned', 'held', 'rejected') OR reasons[1].code = $skipped),
    keyed AS (SELECT position, source_id, reasons, [[one.field, one.code] for one in reasons] AS keys FROM counting),
    each AS (
        SELECT position, source_id, keys, unnest(reasons) AS reason, unnest(keys) AS key, generate_subscripts(keys, 1) AS place FROM keyed)
    SELECT left(reason.field, 300), left(reason.code, 80),
           arg_max(reason.severity, coalesce(list_position($severities, reason.severity), 0)), count(*),
           arg_min({{source_id: source_id, detail: coalesce(reason.detail, '')}}, position, {SAMPLES})
    FROM each WHERE list_position(keys, key) = place GROUP BY 1, 2
"""  # noqa: S608 - a number of our own


def _weight(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def lines(run: Run) -> list[Line]:
    """The report of a run: open groups first, then those with the most records; none before it is measured."""
    if run.measured_at is None:
        return []
    known, owed, mapped, groups = deciding.decided(run.engagement), duties.of(run.engagement), _mapped(run), list(run.quality_groups.all())
    changed = _changed_defaults(run, known) if any(group.code == UNFIT for group in groups) else set()
    found = [
        Line(
            group,
            known.get((group.object_name, group.field, group.code)),
            mapped=(group.object_name, group.field) in mapped,
            settled=group.code == UNFIT and (group.object_name, group.field) in changed,
            duty=owed.get((group.object_name, group.field, group.code)),
        )
        for group in groups
    ]
    return sorted(found, key=lambda line: (not line.is_open, not line.asks, -line.group.records, line.group.object_name, line.group.code))


def _mapped(run: Run) -> set[tuple[str, str]]:
    """(object, source field) of the confirmed field maps that the run follows."""
    fields = plan.content_of(run.engagement, {"maps": run.parts["maps"]})["maps"]["fields"]
    return {(row["object"], row["source"]) for row in fields if row["state"] == "confirmed"}


def _changed_defaults(run: Run, known: Mapping[Key, QualityDecision]) -> set[tuple[str, str]]:
    """(object, source field) of the defaults by which the run was staged and that aren't decided so any more."""
    staged_by = plan.content_of(run.engagement, {"quality": run.parts["quality"]})["quality"]["decisions"]
    changed = set()
    for one in staged_by:
        now = known.get((one["object_name"], one["field"], one["code"]))
        if one["choice"] == rules.DEFAULT and (now is None or (now.choice, now.value) != (one["choice"], one["value"])):
            changed.add((one["object_name"], one["field"]))
    return changed


def newest(engagement: Engagement) -> Run | None:
    """The newest run whose report is made."""
    measured = Run.objects.loads().filter(engagement=engagement, measured_at__isnull=False)
    return measured.select_related("environment", "engagement").order_by("-pk").first()


def open_lines(run: Run) -> list[Line]:
    """The groups of a run that wait for a decision."""
    return [line for line in lines(run) if line.is_open]


def waits(run: Run) -> bool:
    """Whether the run has a report, has loaded nothing yet, and nothing was extracted after it."""
    if run.measured_at is None or run.state in Run.FINISHED or has_begun(run):
        return False
    later = Dataset.objects.filter(engagement=run.engagement, purpose=Dataset.Purpose.LOAD, derived=False, started_at__gt=run.created_at)
    return not later.exists()


def takes_decisions(run: Run) -> bool:
    """Whether the run stands still before its first row, so that a decision still says what becomes of its records."""
    return run.state == Run.State.PAUSED and run.measured_at is not None and not has_begun(run)


def has_begun(run: Run) -> bool:
    """Whether any of its chunks was ever taken up."""
    return Chunk.objects.filter(phase__run=run).exclude(state=Chunk.State.WAITING).exists()


def is_outdated(run: Run) -> bool:
    """Whether decisions since the run was opened change what staging does, or answers about its environment's rows, taken back ones too."""
    if plan.hashes(run.engagement, ["quality"])["quality"] != run.parts["quality"]["sha256"]:
        return True
    later = Remedy.objects.filter(engagement=run.engagement_id, environment=run.environment.kind, decided_at__gt=run.created_at)
    return later.exists() or answered.is_any_changed(run)


def waiting(environment: Environment) -> list[Line]:
    """What the newest run into an environment waits for."""
    run = Run.objects.loads().filter(environment=environment).select_related("engagement").order_by("-pk").first()
    return open_lines(run) if run and waits(run) else []


def proposals(found: Sequence[Line]) -> list[tuple[str, list[Line]]]:
    """(choice, groups) as it is proposed for those that are open."""
    grouped: dict[str, list[Line]] = {}
    for line in found:
        if line.is_open:
            grouped.setdefault(line.choices[0].name, []).append(line)
    return sorted(grouped.items())
