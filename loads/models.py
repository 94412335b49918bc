"""Runs and what came of them: run > phase > chunk, the crosswalk, the ledger, bindings and schema plans."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from loads.delta.models import Conflict, Departed
from loads.losses.models import Loss, LossDecision
from loads.rehearsal.models import Rehearsal
from loads.removal.models import SchemaRemoval
from mapping.models import PlanVersion
from workbench.engagements.models import Connection, Engagement, Environment


class SchemaPlan(models.Model):
    """The difference between the plan's schema and an environment, and whether it has been provisioned.

    steps: [{"table", "column", "action": create|exists|conflict, "kind", "reason", "spec"}].
    """

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="schema_plans")
    maps = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    steps = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    provisioned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"Schema of {self.environment} for {self.maps}"

    def count(self, action: str) -> int:
        """Steps with this action."""
        return sum(step["action"] == action for step in self.steps)


class Binding(models.Model):
    """A name of the plan as a row of one environment: an owner's e-mail, a team's name, a currency's code, a unit that a run made."""

    class Kind(models.TextChoices):
        USER = "user", "User"
        TEAM = "team", "Team"
        CURRENCY = "currency", "Currency"
        UNIT = "unit", "Unit"

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="bindings")
    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=320)
    row_id = models.UUIDField(null=True)
    problem = models.TextField(blank=True, help_text="Why no row fits; with a row id, why another owner stands in.")
    bound_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["environment", "kind", "name"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "kind", "name"], name="binding_once"),
            models.CheckConstraint(condition=models.Q(row_id__isnull=False) | ~models.Q(problem=""), name="binding_row_or_problem"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def _run_key() -> str:
    return uuid.uuid4().hex[:12]


class RunQuerySet(models.QuerySet["Run"]):
    """Runs."""

    def loads(self) -> "RunQuerySet":
        """Those that load all records; no samples, and no rollbacks."""
        return self.filter(kind=Run.Kind.LOAD)


class Run(models.Model):
    """One load of the plan into one environment, or the rollback of one. `parts` holds the versions and hashes that it runs.

    undoes: the load that a rollback takes back. scope: {"tables", "phases", "records"} of a rollback, see `rollback.scope`; empty: all.
    measured_at: when all of a load was staged and counted, or all of a rollback planned; it waits then for people's decisions.
    agreed: who let a rollback begin once its plan was there; until then nothing is sent.
    """

    class Kind(models.TextChoices):
        LOAD = "load", "Load"
        SAMPLE = "sample", "Sample"
        ROLLBACK = "rollback", "Rollback"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        STAGING = "staging", "Staging"
        LOADING = "loading", "Loading"
        PAUSED = "paused", "Paused"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"
        DONE = "done", "Done"

    FINISHED = (State.STOPPED, State.FAILED, State.DONE)

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="runs")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="runs")
    key = models.CharField(max_length=12, unique=True, default=_run_key, editable=False, help_text="Stands in {prefix}_runid of every row.")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.LOAD)
    undoes = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="rollbacks")
    scope = models.JSONField(default=dict, blank=True)
    agreed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    agreed_at = models.DateTimeField(null=True, blank=True)
    parts = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    message = models.TextField(blank=True, help_text="Why it stands still, or what stopped it, and what to do.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    users = models.JSONField(default=list, editable=False, help_text="Its application users as they were checked, see `callers.check`.")
    stop_asked = models.CharField(max_length=150, blank=True, help_text="Who asked that it stops at the next safe point.")
    resume_at = models.DateTimeField(null=True, blank=True, help_text="When it goes on by itself.")
    datasets = models.JSONField(default=dict, help_text="Object -> the dataset that this run stages.")
    staged = models.JSONField(default=list, help_text="Objects that are staged; a second try goes on after them.")
    changes = models.JSONField(
        default=dict, editable=False, help_text="Object -> records new, changed and deleted at the source since the run before."
    )
    measured_at = models.DateTimeField("data quality measured at", null=True, blank=True, editable=False)
    worker = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, help_text="Staging belongs to one worker until then.")
    rerun_of = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="reruns", editable=False)
    groups = models.JSONField(default=list, editable=False, help_text="Of a re-run: the groups of exceptions that are sent again.")

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment"],
                condition=models.Q(state__in=["queued", "staging", "loading", "paused"]),
                name="one_open_run_per_environment",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["load", "sample"], undoes=None) | models.Q(kind="rollback", undoes__isnull=False),
                name="rollback_of_a_run",
            ),
        ]

    def __str__(self) -> str:
        if self.is_rollback:
            return f"Run {self.pk}, rollback of run {self.undoes_id} in {self.environment}"
        return f"Run {self.pk}{' of a sample' if self.is_sample else ''} into {self.environment}"

    @property
    def is_sample(self) -> bool:
        """Whether it loads a sample alone, see `loads.sampling`."""
        return self.kind == self.Kind.SAMPLE

    @property
    def is_rollback(self) -> bool:
        """Whether it takes back what another run did."""
        return self.kind == self.Kind.ROLLBACK

    @property
    def load(self) -> "Run":
        """The load that a rollback takes back."""
        if self.undoes is None:
            raise ValueError(f"{self} takes nothing back.")
        return self.undoes

    @property
    def taken_back_by(self) -> "Run | None":
        """The rollback that took the whole run back, but for what it kept; None while there is none."""
        return next((run for run in self.rollbacks.filter(state=Run.State.DONE).order_by("pk") if not run.scope), None)


class Phase(models.Model):
    """One object and table of a run, in load order. Table '' holds the records for which no table was decided.

    kind: what is sent. Only a phase of rows counts records; the others say what else is done with rows that are there.

    Records: extracted = loaded + merged + documented + skipped + rejected + held.
    Rows: planned = created + updated + equal + refused + waiting; at the destination by run id: created + updated.

    A rollback's phase takes back one of the load's: `undoes`, of the same kind. Its rows: planned = removed + restored + kept + refused;
    at the destination by the load's run id: `found` when it was planned - removed - restored.
    outlook: what its plan says beyond the counts, see `rollback.planning.Outlook`.
    """

    class Kind(models.TextChoices):
        ROWS = "rows", "Rows"
        TIES = "ties", "Lists tied to campaigns"
        MEMBERS = "members", "Members of lists"
        LEFT = "left", "Members who left lists"
        PUBLISH = "publish", "Products published"
        CLOSE = "close", "Deals closed"
        STATES = "states", "States set"
        GONE = "gone", "Gone at the source"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        LOADING = "loading", "Loading"
        BALANCED = "balanced", "Balanced"
        UNBALANCED = "unbalanced", "Doesn't balance"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="phases")
    undoes = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    number = models.PositiveSmallIntegerField()
    object_name = models.CharField("object", max_length=60)
    table = models.CharField(max_length=60, blank=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.ROWS)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    extracted = models.PositiveBigIntegerField(default=0)
    loaded = models.PositiveBigIntegerField(default=0)
    merged = models.PositiveBigIntegerField(default=0)
    documented = models.PositiveBigIntegerField(default=0)
    skipped = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)
    held = models.PositiveBigIntegerField(default=0)
    staged = models.PositiveBigIntegerField("staged records", default=0, help_text="Records with rows in this phase, as staging planned.")
    planned = models.PositiveBigIntegerField("planned rows", default=0)
    created = models.PositiveBigIntegerField(default=0)
    updated = models.PositiveBigIntegerField(default=0)
    equal = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    waiting = models.PositiveBigIntegerField(default=0)
    removed = models.PositiveBigIntegerField(default=0)
    restored = models.PositiveBigIntegerField(default=0)
    kept = models.PositiveBigIntegerField(default=0)
    found = models.PositiveBigIntegerField("found by run id", default=0, help_text="Rows of the load before its rollback.")
    outlook = models.JSONField(default=dict, editable=False)
    at_destination = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Rows found at the destination by run id, or in the wanted state."
    )
    verified = models.JSONField(default=dict, editable=False, help_text="What was read back, see verification.Tally.")
    tuning = models.JSONField(default=dict, editable=False, help_text="Rows per call and why, see RowsPerCall.content.")
    requests = models.PositiveBigIntegerField(default=0)
    retries = models.PositiveBigIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="phase_number_once")]

    def __str__(self) -> str:
        more = "" if self.kind == self.Kind.ROWS else f": {self.get_kind_display().lower()}"
        return f"{self.object_name} to {self.table or 'no table'}{more}"

    def taken_back_since(self) -> "models.QuerySet[Phase]":
        """Phases of rollbacks that took rows of this object and table back after this phase's run was opened."""
        alike = {"object_name": self.object_name, "table": self.table, "kind": self.kind}
        return Phase.objects.filter(
            run__environment=self.run.environment_id, run_id__gt=self.run_id, undoes__isnull=False, finished_at__isnull=False, **alike
        ).select_related("run__engagement")

    @property
    def undone(self) -> "Phase":
        """The phase of the load that a rollback's phase takes back."""
        if self.undoes is None:
            raise ValueError(f"{self} takes nothing back.")
        self.undoes.run = self.run.load
        return self.undoes

    @property
    def expected(self) -> int:
        """Rows that must be found at the destination: those that this run wrote; of what is done with rows, all that is done.

        Of a rollback what is left: rows by the load's run id, or those with which is done what the load did.
        """
        if self.undoes_id:
            return self.found - self.removed - self.restored if self.kind == self.Kind.ROWS else self.kept + self.refused
        return self.created + self.updated + (0 if self.kind == self.Kind.ROWS else self.equal)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds from the first chunk to reconciliation."""
        return (self.finished_at - self.started_at).total_seconds() if self.started_at and self.finished_at else 0.0

    @property
    def balanced(self) -> bool:
        """True once the sums were taken and hold."""
        return self.state == self.State.BALANCED


class Chunk(models.Model):
    """A row range of a staged file: the unit of lease and resume. verified: see `verification.Tally`, once its rows are read back."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        LEASED = "leased", "Leased"
        DONE = "done", "Done"
        CHECKING = "checking", "Being read back"
        CHECKED = "checked", "Read back"

    SENT = (State.DONE, State.CHECKING, State.CHECKED)

    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    start = models.PositiveBigIntegerField()
    stop = models.PositiveBigIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    worker = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    equal = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    restored = models.PositiveIntegerField(default=0)
    kept = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0)
    retries = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="When its rows were sent: they count for 24 hours.")
    verified = models.JSONField(default=dict, editable=False)

    class Meta:
        ordering = ["phase", "number"]
        constraints = [models.UniqueConstraint(fields=["phase", "number"], name="chunk_number_once")]
        indexes = [models.Index(fields=["phase", "state"])]

    def __str__(self) -> str:
        return f"{self.phase}, rows {self.start} to {self.stop}"


class Caller(models.Model):
    """How a machine calls as one application user of a run: told by its workers once a second, heard by those elsewhere, shown to people.

    at: when it was told last. held_until: the service asked this user to wait until then.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="callers")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    node = models.CharField("machine", max_length=80)
    at_once = models.PositiveSmallIntegerField(default=0)
    hint = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0, help_text="Requests that the service answered with 429 during the run.")
    said = models.TextField(blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["run", "connection", "node"]
        constraints = [models.UniqueConstraint(fields=["run", "connection", "node"], name="caller_once")]

    def __str__(self) -> str:
        return f"{self.connection.name} on {self.node}"


class Crosswalk(models.Model):
    """(environment, object, source id, table, role) -> row id. An id once given stays.

    origin: created by us, matched with a row that was there, or alias of another id of the same cluster.
    """

    class Origin(models.TextChoices):
        CREATED = "created", "Created"
        MATCHED = "matched", "Matched"

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        PRESENT = "present", "Present"
        REMOVED = "removed", "Removed"
        KEPT = "kept", "Kept by a person"

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="crosswalk")
    object_name = models.CharField("object", max_length=60)
    source_id = models.CharField(max_length=330)
    table = models.CharField(max_length=60)
    role = models.CharField(max_length=30, blank=True)
    row_id = models.UUIDField()
    alias = models.BooleanField(default=False, help_text="Another id or key of the cluster; the row belongs to its survivor.")
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.CREATED)
    state = models.CharField(max_length=8, choices=State, default=State.PLANNED)
    current = models.BooleanField(default=True, help_text="Where a source id has two rows, new lookups go to the current one.")
    applied_hash = models.CharField(max_length=40, blank=True)
    applied_run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment", "object_name", "source_id", "table", "role"], name="crosswalk_once"),
        ]
        indexes = [models.Index(fields=["environment", "table", "row_id"])]
        verbose_name_plural = "crosswalk"

    def __str__(self) -> str:
        return f"{self.object_name}:{self.source_id} as {self.table}"


class LedgerEntry(models.Model):
    """A record or row whose outcome isn't as planned, with every reason at once.

    rejected, held: decided at staging. refused: by the service. waiting: a row that it looks up to is refused or waiting.
    kept: a row that a rollback leaves as it is.
    reasons: [{"code", "field", "detail", "severity"}], the deciding one first; "cause" where the service refused, see reasons.cause_of.
    """

    class Outcome(models.TextChoices):
        REJECTED = "rejected", "Rejected"
        HELD = "held", "Held"
        REFUSED = "refused", "Refused by the service"
        WAITING = "waiting", "Waiting for another row"
        KEPT = "kept", "Kept by a rollback"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="ledger")
    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="ledger")
    object_name = models.CharField("object", max_length=60)
    source_id = models.CharField(max_length=330)
    role = models.CharField(max_length=30, blank=True)
    position = models.PositiveBigIntegerField(help_text="The record's place in the dataset.")
    row_id = models.UUIDField(null=True, blank=True)
    main_table = models.CharField(max_length=60, blank=True, help_text="The table in whose phase the record is counted.")
    outcome = models.CharField(max_length=8, choices=Outcome)
    held = models.BooleanField(default=False, help_text="The record waits for an answer or for another row; else it is rejected.")
    code = models.CharField(max_length=80, help_text="The first reason's code.")
    reasons = models.JSONField(default=list)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["run", "phase", "position"]
        constraints = [
            models.UniqueConstraint(fields=["phase", "object_name", "position", "source_id", "role"], name="ledger_once"),
        ]
        indexes = [
            models.Index(fields=["run", "row_id"], condition=models.Q(row_id__isnull=False), name="ledger_row"),
            models.Index(fields=["run", "code"]),
            models.Index(fields=["phase", "outcome"]),
            models.Index(fields=["run", "source_id"]),
        ]
        verbose_name = "exception"

    def __str__(self) -> str:
        return f"{self.object_name}:{self.source_id} {self.outcome}"


class VerifiedRow(models.Model):
    """A row of the sample, or a wrong one, as it was read back and compared, value by value; all other rows are only counted.

    fields: [{"column", "source", "meant", "found", "verdict": equal|transformed|lossy|wrong}].
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="verified_rows")
    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="verified_rows")
    source_id = models.CharField(max_length=330)
    row_id = models.UUIDField()
    verdict = models.CharField(max_length=8, choices=[("equal", "Equal"), ("lossy", "Lossy"), ("wrong", "Wrong")])
    fields = models.JSONField(default=list)

    class Meta:
        ordering = ["phase", "verdict", "source_id"]
        constraints = [models.UniqueConstraint(fields=["phase", "row_id"], name="verified_row_once")]

    def __str__(self) -> str:
        return f"{self.source_id}: {self.verdict}"


class QualityGroup(models.Model):
    """The records of one object of a run that have one reason in one field, as staging judged them.

    severity: what the reason does: loss, hold or reject; note where a decision took its edge off. samples: [[source id, detail]].
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="quality_groups")
    object_name = models.CharField("object", max_length=60)
    field = models.CharField(max_length=300, blank=True)
    code = models.CharField(max_length=80)
    severity = models.CharField(max_length=8)
    records = models.PositiveBigIntegerField(default=0)
    samples = models.JSONField(default=list)

    class Meta:
        ordering = ["run", "-records", "object_name", "field", "code"]
        constraints = [models.UniqueConstraint(fields=["run", "object_name", "field", "code"], name="quality_group_once")]

    def __str__(self) -> str:
        return f"{self.object_name} {self.field} {self.code}: {self.records}"


__all__ = [
    "Binding", "Caller", "Chunk", "Conflict", "Crosswalk", "Departed", "Engagement", "LedgerEntry", "Loss", "LossDecision", "Phase",
    "QualityGroup", "Rehearsal",
    "Run", "SchemaPlan", "SchemaRemoval", "VerifiedRow",
]  # fmt: skip
