"""Definition files taken, kept as they came, and read again."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath

from django.db import transaction

from connectors import store
from connectors.storable import storable
from mapping.journeys import definition
from mapping.journeys.models import JourneyDefinition
from mapping.journeys.words import Described
from workbench.engagements import history
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement


class DefinitionGone(WorkbenchError):
    """A definition file isn't in the store any more, or isn't what was given."""

    remedy = "Give the file again: it is kept as a new version."


def keep(engagement: Engagement, content: bytes, *, file_name: str, actor: object) -> JourneyDefinition:
    """Take a file and keep it as the newest version; the newest one itself where it has the same bytes.

    Raises DefinitionMistaken with every mistake, and nothing is kept; StoreFull, StoreUnwritable.
    """
    journeys, digest = definition.read(content, engagement.platform), sha256(content).hexdigest()
    store.write(_path(engagement, digest), content)
    with transaction.atomic():
        Engagement.objects.select_for_update().get(pk=engagement.pk)  # two people never take one version
        before = newest(engagement)
        if before and before.sha256 == digest:
            return before
        kept = JourneyDefinition.objects.create(
            engagement=engagement,
            version=before.version + 1 if before else 1,
            file_name=_name(file_name),
            sha256=digest,
            size=len(content),
            journeys=len(journeys),
            steps=sum(len(journey.steps) for journey in journeys),
            given_by=str(actor)[:150],
        )
        detail = {"file": kept.file_name, "sha256": digest, "journeys": kept.journeys, "steps": kept.steps}
        history.record(engagement, actor=actor, action="gave journey definitions", subject=str(kept), detail=detail)
    return kept


def newest(engagement: Engagement) -> JourneyDefinition | None:
    """The version that counts."""
    return JourneyDefinition.objects.filter(engagement=engagement).order_by("-version").first()


def content(kept: JourneyDefinition) -> bytes:
    """The file as it was given. Raises DefinitionGone."""
    try:
        found = _path(kept.engagement, kept.sha256).read_bytes()
    except FileNotFoundError as error:
        raise DefinitionGone(f"The file of {kept} isn't in the store.") from error
    if sha256(found).hexdigest() != kept.sha256:
        raise DefinitionGone(f"The file of {kept} was changed in the store.")
    return found


def described(kept: JourneyDefinition) -> Mapping[str, Described]:
    """The journeys of a version by id. Raises DefinitionGone."""
    return {journey.id: journey for journey in definition.read(content(kept), kept.engagement.platform)}


def _path(engagement: Engagement, digest: str) -> Path:
    return store.folder(engagement.slug, "journey-definitions") / f"{digest}.json"


def _name(given: str) -> str:
    """The last part of the name that a browser or a shell gave."""
    return storable(PurePosixPath(given.replace("\\", "/")).name)[:200]
