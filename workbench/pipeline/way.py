"""The way of an engagement as pages show it: each stage with its state, what is missing in words, and whose move it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from loads import quality, resampling
from loads.models import Run
from mapping import plan
from mapping.checks import gating
from mapping.models import DiscoveryFinding
from mapping.workshop import completeness
from workbench.engagements import gates, signoffs
from workbench.engagements.gates import Missing
from workbench.engagements.models import Engagement, Environment, Role, SignOff
from workbench.pipeline.models import Step

DONE, RUNNING, FAILED, READY, WAITING = "done", "running", "failed", "ready", "waiting"
STATE_WORDS = {DONE: "Done", RUNNING: "Under way", FAILED: "Needs attention", READY: "To do", WAITING: "Waiting"}
STEP_STATES = {Step.State.QUEUED: RUNNING, Step.State.RUNNING: RUNNING, Step.State.DONE: DONE, Step.State.FAILED: FAILED}
RUN_STATES = {Run.State.DONE: DONE, Run.State.PAUSED: FAILED, Run.State.STOPPED: FAILED, Run.State.FAILED: FAILED}
PLAN_GATES = ("plan confirmed", "every field decided", "owners answered")
# What belongs to another stage isn't repeated under a later one: that stage already says it.
OWN_STAGE = {**dict.fromkeys(PLAN_GATES, "plan"), "matrix signed": "matrix", "sandbox signed": "sandbox-signature"}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the way. `starts` is the step that its button asks for, None where people act on another page."""

    key: str
    title: str
    state: str
    says: str = ""
    missing: Sequence[Missing] = ()
    starts: str | None = None
    environment: Environment | None = None
    step: Step | None = None
    run: Run | None = None
    signoff: SignOff | None = None
    after: Sequence[str] = field(default=())
    again: str = ""  # what the button says where something that was done is overtaken, or ended and can be begun anew

    @property
    def state_words(self) -> str:
        """The state as people read it."""
        return STATE_WORDS[self.state]

    @property
    def may_start(self) -> bool:
        """True where the button would be accepted now."""
        return self.starts is not None and not self.missing and not self.after and self.state != RUNNING

    @property
    def shows_missing(self) -> bool:
        """True where what is missing matters now: not once it is done or going on."""
        return bool(self.missing) and self.state not in (DONE, RUNNING)


_after_handoff: list[Callable[[Engagement], Stage]] = []


def after_handoff(stage: Callable[[Engagement], Stage]) -> None:
    """Put a stage of a higher layer at the end of the way; it says itself what it waits for."""
    _after_handoff.append(stage)


def way(engagement: Engagement) -> list[Stage]:
    """Every stage in order."""
    look = gates.Look(engagement)
    environments = {row.kind: row for row in engagement.environments.select_related("connection").defer("connection__secret")}
    load = {kind: look.missing("load", environments.get(kind)) for kind in Environment.Kind.values}
    steps = latest_steps(engagement)
    discovery = _step_stage("discovery", "Discovery", "discover", steps, missing=look.missing("discover"))
    stages = [discovery, *_planning(engagement, load["sandbox"], discovery), _extraction(look, steps)]
    for kind in Environment.Kind.values:
        stages += _environment_stages(look, kind, environments.get(kind), load[kind], steps)
        if kind == Environment.Kind.SANDBOX:
            stages.append(_sandbox_signature(engagement, look))
    return [*_in_order([*stages, _handoff(engagement, look, steps)]), *(stage(engagement) for stage in _after_handoff)]


def latest_steps(engagement: Engagement) -> dict[tuple[str, int | None], Step]:
    """(step name, environment id) -> the newest step asked for."""
    return {(step.name, step.environment_id): step for step in engagement.steps.order_by("queued_at", "pk")}


def _step_stage(
    key: str, title: str, name: str, steps: Mapping, *, missing: Sequence[Missing] = (), environment: Environment | None = None
) -> Stage:
    step = steps.get((name, environment.pk if environment else None))
    state = STEP_STATES[step.state] if step else (WAITING if missing else READY)
    if step and step.is_silent:
        state = FAILED
    return Stage(key, title, state, says=_step_words(step), missing=missing, starts=name, environment=environment, step=step)


def _step_words(step: Step | None) -> str:
    if step is None or step.state == Step.State.DONE:
        return ""
    if step.is_silent:
        return "Nothing was heard of its worker for a while. Check that a worker runs (manage.py qcluster), or start it again: it goes on."
    return step.message if step.state == Step.State.FAILED else step.progress


def _planning(engagement: Engagement, missing: Sequence[Missing], discovery: Stage) -> list[Stage]:
    """The plan and the signature under its matrix."""
    of_plan = [item for item in missing if item.gate in PLAN_GATES]
    of_matrix = [item for item in missing if item.gate == "matrix signed"]
    ready = READY if discovery.state == DONE else WAITING
    later = sum(line.later for line in completeness.of(engagement))
    says = f"{later} fields came later and have no decision: their values stay behind, nothing waits for them." if later else ""
    signoff = signoffs.latest(engagement, SignOff.Kind.MATRIX)
    return [
        Stage("plan", "Plan: maps, split, companies, owners", ready if of_plan else DONE, says=says, missing=of_plan),
        Stage("matrix", "Sign-off of the split matrix", ready if of_matrix else DONE, missing=of_matrix, signoff=signoff),
    ]


def _extraction(look: gates.Look, steps: Mapping) -> Stage:
    """The newest extraction, of everything or of what changed."""
    asked = [step for name in ("extract", "delta") if (step := steps.get((name, None)))]
    newest = max(asked, key=lambda step: (step.queued_at, step.pk), default=None)
    title = "Extraction of what changed" if newest and newest.name == Step.Name.DELTA else "Full extraction"
    missing = _others(look.missing("extract"), "extraction")
    stage = _step_stage("extraction", title, "extract", {("extract", None): newest} if newest else {}, missing=missing)
    return replace(stage, starts=newest.name) if newest and stage.state == FAILED else stage


def _others(missing: Sequence[Missing], key: str) -> list[Missing]:
    return [item for item in missing if OWN_STAGE.get(item.gate, key) == key]


def _environment_stages(
    look: gates.Look, kind: str, environment: Environment | None, load_missing: Sequence[Missing], steps: Mapping
) -> list[Stage]:
    """Provisioning and loading of one environment."""
    key, title = f"{kind}-provision", f"{kind.capitalize()}: schema"
    if environment is None:
        missing = [Missing("environment", f"No {kind} environment is set up.", Role.ENGINEER)]
        return [Stage(key, title, WAITING, missing=missing), Stage(f"{kind}-load", f"{kind.capitalize()}: load", WAITING)]
    missing = _others(look.missing("provision", environment), key)
    provision = _step_stage(key, title, "provision", steps, missing=missing, environment=environment)
    load_missing = _others(load_missing, f"{kind}-load")
    sample = [] if environment.is_production else [_sample_stage(environment, load_missing, steps)]
    return [provision, *sample, _load_stage(kind, environment, load_missing, steps)]


def _sample_stage(environment: Environment, missing: Sequence[Missing], steps: Mapping) -> Stage:
    """A sample to look at before everything is loaded; nothing waits for it."""
    title, key = "Sandbox: sample to look at", "sandbox-sample"
    stage = _step_stage(key, title, "sample", steps, missing=missing, environment=environment)
    run = environment.runs.filter(kind=Run.Kind.SAMPLE).first()
    if run is None or stage.state == FAILED:
        return stage
    state = RUN_STATES.get(Run.State(run.state), RUNNING)
    if overtaken := outdated_sample(environment):
        return replace(stage, state=READY, says=overtaken, run=run, again="Load the same sample again")
    says = run.message or ("" if state == DONE else run.get_state_display())
    return replace(stage, state=state, says=says, run=run, again=_anew(run))


def outdated_sample(environment: Environment) -> str:
    """That the sample is outdated, in words; empty where it isn't, there is none, or all was loaded since by the plan as it is."""
    run = resampling.newest(environment)
    whole = environment.runs.loads().filter(pk__gt=run.pk, state=Run.State.DONE).first() if run else None
    is_seen = whole is not None and not resampling.outdated(whole)
    parts = ", ".join(resampling.outdated(run)) if run and not is_seen else ""
    said = f"Outdated: these parts of the plan were changed after the sample was loaded: {parts}."
    return f"{said} Loaded again, the same records show what they held before and what they hold then." if parts else ""


def _load_stage(kind: str, environment: Environment, missing: Sequence[Missing], steps: Mapping) -> Stage:
    """The latest run says more than the step that opened it, unless the step never came so far."""
    title, key = f"{kind.capitalize()}: load", f"{kind}-load"
    stage = _step_stage(key, title, "load", steps, missing=missing, environment=environment)
    if not environment.is_production and not stage.says:
        stage = replace(stage, says=_undecided(environment))
    run = environment.runs.loads().first()
    if run is None or (stage.step and stage.step.queued_at > run.created_at and stage.state == FAILED):
        return stage
    # A run that waits for the customer's decisions about the data isn't broken: it is somebody's move.
    state = READY if run.state == Run.State.PAUSED and quality.waits(run) else RUN_STATES.get(Run.State(run.state), RUNNING)
    says = run.message or ("" if state == DONE else run.get_state_display())
    if state == DONE and (back := run.taken_back_by):
        state, says = READY, f"Rolled back by run {back.pk}."
    return replace(stage, state=state, says=says, run=run, again=_anew(run))


def _anew(run: Run) -> str:
    """What the button says of a run that ended before it was done, or was taken back; '' where there is nothing to begin anew."""
    over = run.taken_back_by if run.state == Run.State.DONE else run.state in Run.FINISHED
    return "Open a new run" if over else ""


def _handoff(engagement: Engagement, look: gates.Look, steps: Mapping) -> Stage:
    """The documents; what was switched off for the window and isn't back yet is said here."""
    missing = look.missing("handoff")
    stage = _step_stage("handoff", "Handoff documents", "handoff", steps, missing=missing)
    off = DiscoveryFinding.objects.filter(engagement=engagement, off_at__isnull=False, back_at=None).count()
    words = f"Off for the window and not put back yet: {off}." if off else ""
    return replace(stage, says=f"{stage.says} {words}".strip())


def _undecided(environment: Environment) -> str:
    """What production would wait for; the sandbox only says it."""
    waiting = gating.waiting("load", environment.engagement, environment, anyhow=True)
    count = sum(len(rows) for _, rows in waiting)
    words = f"Findings of the sandbox without a decision: {count}. What they name would be set off; production would wait."
    return words if count else ""


def _sandbox_signature(engagement: Engagement, look: gates.Look) -> Stage:
    signoff = signoffs.latest(engagement, SignOff.Kind.SANDBOX)
    changed = signoff.uncovered(plan.hashes(engagement)) if signoff else []
    says = "The customer hasn't signed the sandbox run." if not signoff else f"Changed after it was signed: {', '.join(changed)}."
    before = look.missing("sandbox signature")
    sandbox = engagement.environments.filter(kind=Environment.Kind.SANDBOX).first()
    if sandbox and outdated_sample(sandbox):
        says = f"{says} The sample that shows the values is outdated."
    missing = [] if signoff and not changed else [*before, Missing("sandbox signed", says, Role.APPROVER)]
    return Stage("sandbox-signature", "Sign-off of the sandbox run", READY if missing else DONE, missing=missing, signoff=signoff)


# A stage -> the stages that come before it.
BEFORE = {
    "matrix": ("discovery",),
    "extraction": ("discovery", "matrix"),
    "sandbox-provision": ("plan",),
    "sandbox-sample": ("plan", "matrix", "extraction", "sandbox-provision"),
    "sandbox-load": ("plan", "matrix", "extraction", "sandbox-provision"),
    "sandbox-signature": ("sandbox-load",),
    "production-provision": ("plan", "sandbox-signature"),
    "production-load": ("plan", "matrix", "extraction", "sandbox-signature", "production-provision"),
    "handoff": ("production-load",),
}


def _in_order(stages: Sequence[Stage]) -> list[Stage]:
    """Stages that aren't begun wait for the ones before them, by title."""
    by_key = {stage.key: stage for stage in stages}
    ordered = []
    for stage in stages:
        open_before = [by_key[key].title for key in BEFORE.get(stage.key, ()) if by_key[key].state != DONE]
        begun = stage.state in (DONE, RUNNING, FAILED)
        state = stage.state if begun or not open_before else WAITING
        ordered.append(replace(stage, state=state, after=open_before))
    return ordered
