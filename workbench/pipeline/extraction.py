"""Full extraction: after the matrix is signed, every object is landed for loading, and what is new since discovery becomes a question."""

from collections.abc import Callable

from connectors.extraction import extract
from connectors.models import Dataset
from connectors.registry import SOURCES
from mapping.discovery import source as source_side
from mapping.playbooks import load_playbook
from workbench.engagements import gates, history
from workbench.engagements.models import Engagement
from workbench.pipeline.discovery import source_connection


def extract_all(engagement: Engagement, *, actor: object, progress: Callable[[str], None]) -> None:
    """Land everything that a run stages. Raises GateClosed and what the source raises; a second call goes on."""
    gates.require("extract", engagement)
    source = SOURCES[engagement.platform](source_connection(engagement))
    playbook = load_playbook(engagement.platform)
    source_side.land_small(engagement, source, Dataset.Purpose.LOAD)
    dataset = extract(
        engagement=engagement,
        source=source,
        object_name=source_side.PERSON,
        purpose=Dataset.Purpose.LOAD,
        identify=source_side.identify(playbook),
        progress=progress,
    )
    progress("looking for stages and owners that are new")
    keys = source_side.people_keys(engagement, dataset)
    source_side.keep_stages_and_owners(engagement, keys, playbook, signed=True)
    detail = {"boundary": dataset.started_at.isoformat(), "people": dataset.rows, "sha256": dataset.sha256}
    history.record(engagement, actor=actor, action="extracted", subject=str(dataset), detail=detail)
