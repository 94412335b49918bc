"""Reading users and teams again, beside the request: for a person who mended something in Dynamics 365."""

import logging

from django.db import transaction
from django_q.tasks import async_task

from connectors.dataverse.client import Client
from mapping.owners import checks, snapshot
from workbench.engagements import gates, history
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement, Environment

logger = logging.getLogger(__name__)
READ = "mapping.owners.tasks.read_again"


def want(engagement: Engagement, actor: object) -> None:
    """Queue the reading; the pages say as of when users and teams were read."""
    async_task(READ, engagement.pk, str(actor), task_name=f"owners of {engagement.slug}")


def read_again(engagement_id: int, actor: str) -> None:
    """Read every environment that answers, and hold the answers against what is there now; nothing where nothing may be read any more."""
    engagement = Engagement.objects.get(pk=engagement_id)
    if gates.missing("discover", engagement):
        return
    told = {}
    for environment in Environment.objects.filter(engagement=engagement).select_related("engagement", "connection"):
        try:
            seen = snapshot.read(environment, Client.from_connection(environment.connection))
        except WorkbenchError as error:
            logger.warning("users of environment %s aren't read: %s", environment.pk, type(error).__name__)
            told[environment.kind] = f"not read: {type(error).__name__}"
            continue
        snapshot.keep(environment, seen)
        told[environment.kind] = f"{len(seen.principals)} users and teams"
    with transaction.atomic():
        problems = checks.refresh(engagement)
        history.record(
            engagement, actor=actor, action="read users and teams", subject=engagement.name, detail={**told, "with a problem": problems}
        )
