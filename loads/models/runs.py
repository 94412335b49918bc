"""Runs and how they are carried out: run > phase > chunk, and who calls."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from workbench.engagements.models import Connection, Engagement, Environment


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
    taken_up_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When a worker took it up last, new or resumed.")
    users = models.JSONField(default=list, editable=False, help_text="Its application users as they were checked, see `callers.check`.")
    stop_asked = models.CharField(max_length=150, blank=True, help_text="Who asked that it stops at the next safe point.")
    resume_at = models.DateTimeField(null=True, blank=True, help_text="When it goes on by itself.")
    datasets = models.JSONField(default=dict, help_text="Object -> the dataset that this run stages.")
    staged = models.JSONField(default=list, help_text="Objects that are staged; a second try goes on after them.")
    given = models.JSONField(default=dict, editable=False, help_text="Object -> ids of its records that were given so far.")
    changes = models.JSONField(
        default=dict, editable=False, help_text="Object -> records new, changed and deleted at the source since the run before."
    )
    sums = models.JSONField(
        default=dict, editable=False, help_text="Records and money as landed and as staged, see `loads.staging.sums.take_next`."
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
    def is_of_before_refresh(self) -> bool:
        """Whether the environment was copied anew since it was opened: what it staged and balanced is of what may not be there any more."""
        since = self.environment.refreshed_at
        return since is not None and self.created_at < since

    @property
    def load(self) -> "Run":
        """The load that a rollback takes back."""
        if self.undoes is None:
            raise ValueError(f"{self} takes nothing back.")
        return self.undoes

    @property
    def taken_back_by(self) -> "Run | None":
        """The newest rollback that took the whole run back, but for what it kept; None while there is none."""
        return next((run for run in self.rollbacks.filter(state=Run.State.DONE).order_by("-pk") if not run.scope), None)


class Phase(models.Model):
    """One object and table of a run, in load order. Table '' holds the records for which no table was decided.

    kind: what is sent. Only phases of rows and members, and of what is documented only, count records; the others say what else is done
    with rows that are there.

    Records: extracted = loaded + merged + documented + skipped + rejected + held.
    Rows: planned = created + updated + equal + refused + waiting; at the destination by run id: created + updated.

    A rollback's phase takes back one of the load's: `undoes`, of the same kind. Its rows: planned = removed + restored + kept + refused;
    at the destination by the load's run id: `found` when it was planned - removed - restored.
    outlook: what its plan says beyond the counts, see `rollback.planning.Outlook`.

    A parked phase can't go on, for the reason in `message`; others wait behind it, see `loads.parking`.
    """

    class Kind(models.TextChoices):
        ROWS = "rows", "Rows"
        LINKS = "links", "Rows linked"
        TIES = "ties", "Lists tied to campaigns"
        MEMBERS = "members", "Members of lists"
        LEFT = "left", "Members who left lists"
        PUBLISH = "publish", "Products published"
        LOOKUPS = "lookups", "Lookups set"
        CLOSE = "close", "Deals closed"
        STATES = "states", "States set"
        GONE = "gone", "Gone at the source"
        DOCUMENT = "document", "Documented only"

    LINKING = (Kind.LINKS, Kind.TIES, Kind.MEMBERS, Kind.LEFT)  # which make and take links, and write no row of a table

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        LOADING = "loading", "Loading"
        BALANCED = "balanced", "Balanced"
        UNBALANCED = "unbalanced", "Doesn't balance"
        BLOCKED = "blocked", "Can't go on"

    OPEN = (State.WAITING, State.LOADING)
    PARKED = (State.UNBALANCED, State.BLOCKED)

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="phases")
    undoes = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    number = models.PositiveSmallIntegerField()
    object_name = models.CharField("object", max_length=60)
    table = models.CharField(max_length=60, blank=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.ROWS)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    message = models.TextField(blank=True, help_text="Why it can't go on, and what to do.")
    behind = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="The parked phase that it waits for."
    )
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
    tuning = models.JSONField(default=dict, editable=False, help_text="Kind of call -> rows in one and why, see RowsPerCall.content.")
    told = models.PositiveBigIntegerField(default=0, editable=False, help_text="Staged rows of which the crosswalk knows what became.")
    requests = models.PositiveBigIntegerField(default=0)
    retries = models.PositiveBigIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-run_id", "number"]  # by the id: by the run itself each list of phases would join it, and be in its order
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="phase_number_once")]

    def __str__(self) -> str:
        more = "" if self.kind == self.Kind.ROWS else f": {self.get_kind_display().lower()}"
        return f"{self.object_name} to {self.table or 'no table'}{more}"

    @property
    def is_parked(self) -> bool:
        """Whether it can't go on."""
        return self.state in self.PARKED

    def look_again(self) -> None:
        """Its columns as they are now; the run stays the one that it was given, with what was read of it."""
        run = self.run
        self.refresh_from_db()
        self.run = run

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
    """A row range of a staged file: the unit of lease and resume. verified: see `verification.Tally`, once its rows are read back.

    operations: what was sent for it as an entitlement counts it, in vain too. reserved: what the worker that sends it may send, see
    `loads.budget`.
    """

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
    operations = models.PositiveIntegerField(default=0)
    reserved = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="When its rows were sent: they count for 24 hours.")
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When its rows were read back.")
    verified = models.JSONField(default=dict, editable=False)

    class Meta:
        ordering = ["phase_id", "number"]
        constraints = [models.UniqueConstraint(fields=["phase", "number"], name="chunk_number_once")]
        indexes = [models.Index(fields=["phase", "state"])]

    def __str__(self) -> str:
        return f"{self.phase}, rows {self.start} to {self.stop}"


class StagingRange(models.Model):
    """A range of an object's records that is still to be staged; any number of workers take ranges, each under a lease.

    It goes once its files are there, which say that it is staged: see `loads.staging.ranges`.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="staging_ranges")
    object_name = models.CharField("object", max_length=60)
    number = models.PositiveIntegerField()
    worker = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-run_id", "object_name", "number"]
        constraints = [models.UniqueConstraint(fields=["run", "object_name", "number"], name="staging_range_once")]

    def __str__(self) -> str:
        return f"{self.object_name} of {self.run}, range {self.number}"


class CallSize(models.Model):
    """What was learned of how many rows go in one call, of a kind of call on a table of an environment: where a new worker begins.

    learned: see `tuning.RowsPerCall.learned`.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="call_sizes")
    table = models.CharField(max_length=100)
    kind = models.CharField(max_length=20)
    learned = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["environment", "table", "kind"]
        constraints = [models.UniqueConstraint(fields=["environment", "table", "kind"], name="call_size_once")]

    def __str__(self) -> str:
        return f"{self.table}, {self.kind}"


class Caller(models.Model):
    """How a machine calls as one application user of a run: told by its workers once a second, heard by those elsewhere, shown to people.

    at: when it was told last. held_until: the service asked this user to wait until then. waits_for: what its requests wait for, in words.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="callers")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    node = models.CharField("machine", max_length=80)
    at_once = models.PositiveSmallIntegerField(default=0)
    hint = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0, help_text="Requests that the service answered with 429 during the run.")
    said = models.TextField(blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    waits_for = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-run_id", "connection_id", "node"]
        constraints = [models.UniqueConstraint(fields=["run", "connection", "node"], name="caller_once")]

    def __str__(self) -> str:
        return f"{self.connection.name} on {self.node}"
