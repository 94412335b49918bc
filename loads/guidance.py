"""What happened to a run, what is safe, and what to press: for whoever looks at it at night."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from loads import progress, stalls
from loads.models import Phase, Run
from loads.progress import Progress

KILLED = "Any worker or machine may be killed: at most the chunks in hand are sent again, by their ids, so that nothing doubles."

NO_RETURN = (
    "The point of no return is the first edit by somebody else: until then a rollback puts everything back as it was, after it the rows "
    "that people edited or built upon stay. A planned rollback says how many those are, and sends nothing."
)


OVER = "Open a new run on the engagement's page: the environment was copied anew since, and what this one wrote may be gone."


@dataclass(frozen=True, slots=True)
class Guidance:
    """Sentences: what happened, what is safe, what to press; waits: why nothing moves, or whom the service wants to wait, else ''."""

    happened: str
    safe: str
    press: str
    waits: str = ""


def guidance(run: Run, phases: list[Progress], now: datetime) -> Guidance:
    """What to say of a run now; one of an environment that was copied anew since isn't gone on with."""
    said = SAY[Run.State(run.state)](run, phases, now)
    return replace(said, press=OVER) if run.state in (Run.State.STOPPED, Run.State.FAILED) and run.is_of_before_refresh else said


def _queued(run: Run, phases: list[Progress], now: datetime) -> Guidance:
    press = "Nothing. Where it stays so for a minute, see that a worker runs: manage.py qcluster."
    return Guidance("It waits for a worker.", f"{_complete(phases)} Nothing is under way.", press)


def _staging(run: Run, phases: list[Progress], now: datetime) -> Guidance:
    press = _silent(run, now) or f"Nothing. {_asked(run)}".strip()
    return Guidance(progress.staging(run, now).words, f"Nothing of it is sent yet. {KILLED}", press, _waits(run, phases, now))


def _loading(run: Run, phases: list[Progress], now: datetime) -> Guidance:
    here = next((item for item in phases if item.phase.state == Phase.State.LOADING), None)
    happened = " ".join(filter(None, (_complete(phases), _at(here), _parked(phases))))
    buttons = (
        "Nothing while it moves. Pause stops after the chunks in hand; Stop ends the run when the phases in hand are complete and balanced."
    )
    return Guidance(happened, KILLED, _silent(run, now) or _asked(run) or buttons, _waits(run, phases, now))


def _waits(run: Run, phases: list[Progress], now: datetime) -> str:
    return stalls.stalled(run, phases, now) or stalls.waits(run, now)


def _paused(run: Run, phases: list[Progress], now: datetime) -> Guidance:
    begun = next((item for item in phases if item.phase.state == Phase.State.LOADING), None)
    half = f"Of {begun.phase} {begun.done:,} of {begun.planned:,} rows are settled, each with its outcome." if begun else ""
    if run.is_rollback and run.measured_at and not run.agreed_at:
        press = "Read its plan below; then let it begin."
    elif run.resume_at:
        press = f"Nothing: it goes on by itself on {run.resume_at:%d %B at %H:%M} UTC. 'Keep it paused' keeps it from that."
    elif parked := _parked(phases):
        safe = f"{_complete(phases)} {half} Nothing is under way, and no later run takes the rows of a parked phase for granted."
        return Guidance(parked, safe.replace("  ", " "), _press_parked(phases))
    elif run.measured_at and not any(item.phase.started_at for item in phases):
        press = "Nothing, where it waits for the customer's decisions: it goes on with the last one. Otherwise Resume."
    else:
        press = "Do what the message says, if it says something, then Resume: it goes on with the next chunk."
    return Guidance("It stands still, for the reason above.", f"{_complete(phases)} {half} Nothing is under way.".replace("  ", " "), press)


def _stopped(run: Run, phases: list[Progress], now: datetime) -> Guidance:
    if parked := _parked(phases):
        safe = f"{_complete(phases)} Nothing further is sent, and no later run takes the rows of a parked phase for granted."
        return Guidance(parked, safe, f"{_press_parked(phases)} The engagement's page opens a new run instead.")
    press = "Resume goes on from here; the engagement's page opens a new run instead."
    return Guidance("It ended between two phases.", f"{_complete(phases)} No row of another phase was sent.", press)


def _parked(phases: Iterable[Progress]) -> str:
    """Which phases can't go on, and how many wait behind them; '' where there is none."""
    listed = list(phases)
    names = [str(item.phase) for item in listed if item.phase.is_parked]
    behind = sum(item.phase.behind_id is not None for item in listed)
    waits = f" {behind} more wait{'s' * (behind == 1)} behind." if behind else ""
    return f"Can't go on: {', '.join(names)}.{waits} The reasons stand beside the phases." if names else ""


def _press_parked(phases: Iterable[Progress]) -> str:
    states = {item.phase.state for item in phases}
    press = []
    if Phase.State.UNBALANCED in states:
        press.append(
            "Where a phase doesn't balance, look at its exceptions and at what was read back, both below; mend the cause. A wrong value "
            "may be put right by hand at the destination. It is read back and counted again then, and sent no second time."
        )
    if Phase.State.BLOCKED in states:
        press.append("Where a phase can't go on, do what its message says; it goes on with its next chunk then.")
    return f"{' '.join(press)} Then Resume."


def _failed(run: Run, phases: list[Progress], now: datetime) -> Guidance:
    return Guidance("It failed, for the reason above.", f"{_complete(phases)} Nothing is under way.", "Mend the cause, then Resume.")


def _done(run: Run, phases: list[Progress], now: datetime) -> Guidance:
    if run.is_rollback:
        return Guidance(_complete(phases), "What was kept stands below, each row with its reason.", "Nothing.")
    if back := run.taken_back_by:
        safe = f"What it created was removed and what it changed was restored, but for what run {back.pk} lists as kept."
        return Guidance(f"{_complete(phases)} It was taken back since.", safe, "Nothing. The engagement's page opens a new run.")
    press = f"Nothing. To read everything back again at any time: manage.py verify {run.pk}"
    return Guidance(_complete(phases), f"Every row was read back and compared; every difference has a reason below. {NO_RETURN}", press)


def _complete(phases: Iterable[Progress]) -> str:
    listed = list(phases)
    balanced = sum(item.phase.balanced for item in listed)
    return f"{balanced} of {len(listed)} phases are complete and balanced." if listed else "No phase has begun."


def _at(here: Progress | None) -> str:
    if here is None:
        return "The next phase begins."
    if here.done < here.planned:
        return f"Now {here.phase}: {here.done:,} of {here.planned:,} rows are settled."
    return f"Now {here.phase}: all rows are settled, {here.read:,} read back so far."


def _asked(run: Run) -> str:
    return f"Nothing: {run.stop_asked} asked it to stop; it ends when the phase in hand is complete." if run.stop_asked else ""


def _silent(run: Run, now: datetime) -> str:
    if now - (run.heartbeat_at or run.created_at) <= progress.SILENT_AFTER:
        return ""
    return (
        "See that a worker runs (manage.py qcluster); what a dead one held is taken over within two minutes. Resume asks for workers anew."
    )


SAY: Mapping[Run.State, Callable[[Run, list[Progress], datetime], Guidance]] = {
    Run.State.QUEUED: _queued,
    Run.State.STAGING: _staging,
    Run.State.LOADING: _loading,
    Run.State.PAUSED: _paused,
    Run.State.STOPPED: _stopped,
    Run.State.FAILED: _failed,
    Run.State.DONE: _done,
}
