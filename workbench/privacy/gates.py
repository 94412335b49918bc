"""The gates of privacy: what a purge and an erasure wait for, and what is closed while they go on and afterwards."""

from collections.abc import Iterator

from loads.models import Run
from workbench.engagements.gates import ACTIONS, gate
from workbench.engagements.models import Engagement, Environment, Role
from workbench.hypercare import clock
from workbench.hypercare.models import Ticket
from workbench.pipeline.models import Step
from workbench.privacy.models import open_erasure, purge_of

ALL_BUT_PURGE = [action for action in ACTIONS if action != "purge"]
WHILE_ERASING = [action for action in ACTIONS if action not in ("erase", "ticket")]
OWN_STEPS = (Step.Name.ERASE, Step.Name.PURGE)


@gate("purged", *ALL_BUT_PURGE, everywhere=True)
def not_purged(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """After a purge, and from its beginning on, nothing is read, landed, loaded or taken back."""
    purge = purge_of(engagement)
    if purge and purge.finished_at:
        yield f"The engagement was purged on {purge.finished_at:%Y-%m-%d}: its data is gone for good.", Role.ENGINEER
    elif purge:
        yield "The engagement's purge has begun and isn't finished.", Role.ENGINEER


@gate("purged once", "purge", everywhere=True)
def not_purged_yet(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """One that was begun is gone on with; one that is done is done."""
    purge = purge_of(engagement)
    if purge and purge.finished_at:
        yield f"It was purged on {purge.finished_at:%Y-%m-%d} already.", Role.ENGINEER


@gate("nobody being erased", *WHILE_ERASING, everywhere=True)
def nobody_being_erased(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """While somebody is erased the store's files change."""
    if erasure := open_erasure(engagement):
        yield f"{erasure} isn't finished: let it end, or ask for it again.", Role.ENGINEER


@gate("nothing under way", "erase", "purge", everywhere=True)
def nothing_under_way(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """Whoever reads or writes the engagement's data is done with it."""
    for run in Run.objects.filter(engagement=engagement).exclude(state__in=Run.FINISHED).select_related("environment__engagement"):
        yield f"{run} is {run.get_state_display().lower()}: end it first.", Role.ENGINEER
    others = Step.objects.filter(engagement=engagement, state__in=(Step.State.QUEUED, Step.State.RUNNING)).exclude(name__in=OWN_STEPS)
    for step in others:
        yield f"{step.get_name_display()} is under way: wait until it is done.", Role.ENGINEER


@gate("handed over", "purge", everywhere=True)
def handed_over(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """What stands in production is handed over, with hypercare behind it; where nothing does, the engagement may end at any time."""
    loads = Run.objects.loads().filter(engagement=engagement, environment__kind=Environment.Kind.PRODUCTION)
    standing = [run for run in loads if run.phases.exclude(started_at=None).exists() and not run.taken_back_by]
    window = clock.window_of(engagement)
    if standing and window is None:
        yield "What was loaded into production isn't handed over: hand it over, or take it back.", Role.ENGINEER
    unresolved = Ticket.objects.filter(engagement=engagement).unresolved()
    for ticket in unresolved.order_by("number"):
        yield f"Ticket {ticket.number} is open: its records could no longer be looked at.", Role.ENGINEER
