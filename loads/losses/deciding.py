"""The customer accepts the losses of a run, or refuses them with a comment; who of them may, and what is missing until they do."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from loads.losses.models import Loss, LossDecision
from loads.models import Run
from mapping.quality.deciding import Said, require_right, signature
from workbench.engagements import history
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Environment
from workbench.engagements.signoffs import ChangedMeanwhile, content_hash

Choice = LossDecision.Choice
STATEMENT = "I have read what arrives with less than the source held, and accept it."


class NothingLost(WorkbenchError):
    """The run isn't over, or lost nothing."""

    remedy = "Choose a finished run that lists losses."


def content(run: Run) -> dict[str, Any]:
    """What is shown and decided about: {"run", "environment", "values", "losses"}, the losses by object, table, column and kind."""
    losses = [
        {
            "object": row.object_name, "table": row.table, "column": row.column, "kind": row.kind, "code": row.code, "field": row.field,
            "kept_in": row.kept_in, "values": row.values, "samples": row.samples,
        }
        for row in Loss.objects.filter(run=run)
    ]  # fmt: skip
    return {"run": run.key, "environment": run.environment.kind, "values": sum(row["values"] for row in losses), "losses": losses}


def decision_of(run: Run) -> LossDecision | None:
    """The newest decision, if it is about exactly the losses that there are now."""
    newest = LossDecision.objects.filter(run=run).first()
    return newest if newest and _without_samples(newest.content) == _without_samples(content(run)) else None


def _without_samples(told: dict[str, Any]) -> dict[str, Any]:
    """What a decision is about: an erasure takes a person's values out of the samples, and the losses are the same."""
    return {**told, "losses": [{**row, "samples": []} for row in told["losses"]]}


def decision_content(run: Run) -> dict[str, Any] | None:
    """The decision as reports and sign-offs show it; None where there is none."""
    found = decision_of(run)
    if found is None:
        return None
    names = ("choice", "decided_by", "comment", "content_sha256")
    return {**{name: getattr(found, name) for name in names}, "decided_at": found.decided_at.isoformat()}


def summary(run: Run) -> dict[str, Any]:
    """How much was lost and what the customer said: {"values", "groups", "decision"}."""
    told = content(run)
    return {"values": told["values"], "groups": len(told["losses"]), "decision": decision_content(run)}


def missing(run: Run) -> Iterator[str]:
    """What an acceptance lacks, in words; nothing where the run lost nothing or its losses are accepted."""
    if not Loss.objects.filter(run=run).exists():
        return
    found = decision_of(run)
    if found is None:
        told = content(run)
        yield (
            f"The customer hasn't accepted what arrives with less in {run}: "
            f"{told['values']:,} values in {len(told['losses'])} group{'s' * (len(told['losses']) != 1)}."
        )
    elif found.choice == Choice.REFUSED:
        yield f"{found.decided_by} refused what arrives with less in {run}: {found.comment}"


def to_accept(engagement: Engagement, kind: str) -> list[Run]:
    """The runs of an environment whose losses count: the newest done one into the sandbox; into production all that stand."""
    runs = Run.objects.loads().filter(engagement=engagement, environment__kind=kind, state=Run.State.DONE)
    found = list(runs.select_related("environment__engagement", "engagement").order_by("-pk"))
    if kind == Environment.Kind.SANDBOX:
        return found[:1]
    return [run for run in found if not run.taken_back_by]


@transaction.atomic
def decide(
    run: Run, choice: str, *, user: User, shown_sha256: str, comment: str = "", address: str | None = None, said: Said | None = None
) -> LossDecision:
    """Record what the customer says about the losses that a page showed. said: whose word an engineer records.

    Raises MayNotDecide, BadInput, NothingLost, ChangedMeanwhile; then nothing is recorded.
    """
    require_right(run.engagement, user, said)
    if choice not in Choice.values:
        raise BadInput("No answer is chosen.", remedy="Accept the losses, or refuse them.")
    if choice == Choice.REFUSED and not comment.strip():
        raise BadInput("A refusal says why.", remedy="Write what has to be different, so that it can be mended.")
    Engagement.objects.select_for_update().get(pk=run.engagement_id)
    told = content(run)
    if run.state != Run.State.DONE or run.is_sample or not told["losses"]:
        raise NothingLost(f"{run} has no losses to decide about.")
    digest = content_hash(told)
    if digest != shown_sha256:
        raise ChangedMeanwhile("The losses changed after the page was opened.")
    decision = LossDecision.objects.create(
        run=run, choice=choice, content=told, content_sha256=digest, comment=comment.strip(), address=address, **signature(user, said)
    )
    detail = {"content_sha256": digest, "values": told["values"], "comment": comment.strip(), "address": address}
    detail |= {"said_by": str(said.by), "said_on": said.on.isoformat()} if said else {}
    history.record(run.engagement, actor=user, action=f"{choice} losses", subject=str(run), detail=detail)
    return decision
