"""Planning a removal, and agreeing to it: for the sandbox an engineer's word, for production the signature of the customer's approver."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from loads.models import Run
from loads.quality import has_begun
from loads.removal.models import SchemaRemoval, newest
from loads.removal.survey import plan_of
from workbench.engagements import gates, history, signoffs
from workbench.engagements.access import workable_by
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement, Environment, SignOff

ACTION = "removal"


AT_REST = "loads taken back"  # the gate that asks whether anything is still there of what was loaded


class NothingPlanned(WorkbenchError):
    """There is no plan of a removal that waits for an agreement."""

    remedy = "Have the removal planned first: the page of the environment's schema plan does, or `manage.py remove_schema`."


class NotYours(WorkbenchError):
    """Somebody else agrees to this removal."""

    remedy = "In production the customer's approver signs it in the portal; in the sandbox an engineer of the engagement agrees."


def propose(environment: Environment, *, actor: object) -> SchemaRemoval:
    """Look at what was provisioned and keep what would become of it; only reads. It takes the place of earlier plans."""
    components = plan_of(environment)
    removal = SchemaRemoval.objects.create(environment=environment, components=components, requested_by=str(actor)[:150])
    detail = {"remove": len(removal.to_remove), "keep": len(components) - len(removal.to_remove)}
    history.record(environment.engagement, actor=actor, action="planned schema removal", subject=str(removal), detail=detail)
    return removal


def content(removal: SchemaRemoval) -> dict[str, Any]:
    """What is shown and agreed to."""
    return {
        "removal": removal.pk,
        "environment": removal.environment.kind,
        "address": removal.environment.connection.base_url,
        "planned_at": removal.created_at.isoformat(),
        "components": removal.components,
        "parts": {},
    }


def to_sign(engagement: Engagement) -> dict[str, Any]:
    """What the signature for production shows and covers. Raises NothingPlanned, GateClosed."""
    removal = _of_production(engagement)
    if removal is None:
        raise NothingPlanned("No removal of the schema in production is planned.", remedy="The engineer plans it after a rollback.")
    require_taken_back(removal.environment)
    return content(removal)


def waiting_removal(engagement: Engagement) -> SchemaRemoval | None:
    """The planned removal in production that the customer's approver may sign now."""
    removal = _of_production(engagement)
    return removal if removal and removal.agreed_at is None and not standing_loads(removal.environment) else None


def _of_production(engagement: Engagement) -> SchemaRemoval | None:
    environment = engagement.environments.filter(kind=Environment.Kind.PRODUCTION).first()
    return newest(environment) if environment else None


@transaction.atomic
def agree(removal: SchemaRemoval, user: User, *, shown_sha256: str) -> None:
    """An engineer lets a planned removal in the sandbox begin. Raises NotYours, NothingPlanned, ChangedMeanwhile, GateClosed."""
    if removal.environment.is_production or not workable_by(user).filter(pk=removal.environment.engagement_id).exists():
        raise NotYours(f"{user} can't agree to {removal}.")
    if signoffs.content_hash(content(removal)) != shown_sha256:
        raise signoffs.ChangedMeanwhile("The plan changed after the page was opened.")
    _settle(removal, user)
    detail = {"content_sha256": shown_sha256}
    history.record(removal.environment.engagement, actor=user, action="agreed to schema removal", subject=str(removal), detail=detail)


@transaction.atomic
def sign(engagement: Engagement, user: User, *, shown_sha256: str, address: str | None, note: str = "") -> SignOff:
    """The customer's approver signs the planned removal in production. Raises NothingPlanned, MayNotSign, ChangedMeanwhile, GateClosed."""
    told = to_sign(engagement)
    removal = SchemaRemoval.objects.select_related("environment__engagement").get(pk=told["removal"])
    signoff = signoffs.sign(
        engagement=engagement, kind=SignOff.Kind.SCHEMA, covers={}, content=told, user=user, shown_sha256=shown_sha256, address=address,
        note=note,
    )  # fmt: skip
    _settle(removal, user, signoff=signoff)
    return signoff


def _settle(removal: SchemaRemoval, user: User, **more: Any) -> None:
    require_taken_back(removal.environment)
    waiting = SchemaRemoval.objects.filter(pk=removal.pk, agreed_at=None)
    if newest(removal.environment) != removal or not waiting.update(agreed_by=user, agreed_at=timezone.now(), **more):
        raise NothingPlanned(f"{removal} doesn't wait for anybody's word: it was agreed to, or a newer plan took its place.")


def require_taken_back(environment: Environment) -> None:
    """Raises GateClosed where something that was loaded wasn't taken back."""
    missing = [one for one in gates.missing(ACTION, environment.engagement, environment) if one.gate == AT_REST]
    if missing:
        raise gates.GateClosed(ACTION, missing)


def standing_loads(environment: Environment) -> list[Run]:
    """Runs that aren't over, and loads that sent something since the environment is as it is and weren't taken back whole."""
    runs = Run.objects.filter(environment=environment).order_by("pk")
    if environment.refreshed_at:
        runs = runs.filter(created_at__gt=environment.refreshed_at)
    return [run for run in runs if run.state not in Run.FINISHED or (not run.is_rollback and has_begun(run) and not run.taken_back_by)]
