"""Discovery of an engagement: the source, then every environment that has a connection, part by part."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from connectors.base import Finding, Source
from connectors.models import Dataset
from connectors.registry import SOURCES
from mapping.discovery import destination
from mapping.discovery import source as source_side
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Connection, Engagement, Environment
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work


def source_connection(engagement: Engagement) -> Connection:
    """The engagement's connection to its source platform. Raises BadInput."""
    connection = engagement.connections.filter(kind=engagement.platform).first()
    if connection is None:
        remedy = f"Add a connection to {engagement.get_platform_display()} under Connections."
        raise BadInput(f"{engagement} has no source connection.", remedy=remedy)
    if engagement.platform not in SOURCES:
        raise BadInput(f"There is no connector for {engagement.get_platform_display()} yet.", remedy="Choose a platform that has one.")
    return connection


def source_of(engagement: Engagement) -> Source:
    """The engagement's source. Raises BadInput."""
    return SOURCES[engagement.platform](source_connection(engagement))


def environments(engagement: Engagement) -> list[Environment]:
    """The environments, the sandbox first."""
    return list(Environment.objects.filter(engagement=engagement).select_related("engagement", "connection").order_by("-kind"))


def landing_part(purpose: str) -> Callable[[Work], bool]:
    """A part that lands the people for a purpose and keeps the dataset's number for those that follow."""

    def land(work: Work) -> bool:
        engagement = work.step.engagement
        dataset = source_side.land_people(engagement, source_of(engagement), purpose, progress=work.progress, time_given=work.time)
        if dataset is None:
            return False
        work.keep(dataset=dataset.pk)
        return True

    return land


def people_of(work: Work) -> Dataset:
    """The people that an earlier part of the step landed."""
    return Dataset.objects.select_related("engagement").get(pk=work.kept["dataset"])


def keys(work: Work) -> None:
    """Make the keys of the people."""
    work.progress("reading the keys of people")
    source_side.people_keys(work.step.engagement, people_of(work))


def parts(step: Step) -> list[Part]:
    """What discovery does: audit, people, profiles, keys and proposals of the source, then each environment."""
    return [
        Part("audit", _audit),
        Part("people", landing_part(Dataset.Purpose.DISCOVERY)),
        Part("profiles", _profiles),
        Part("keys", keys),
        Part("proposals", _proposals),
        *(Part(f"environment {row.pk}", partial(_environment, environment=row)) for row in environments(step.engagement)),
    ]


def _audit(work: Work) -> None:
    found = source_side.audit(work.step.engagement, source_of(work.step.engagement), work.progress)
    work.keep(audit=[asdict(finding) for finding in found])


def _profiles(work: Work) -> None:
    engagement = work.step.engagement
    found = source_side.keep_profiles(engagement, source_of(engagement), people_of(work), work.progress)
    work.keep(profiles=[asdict(finding) for finding in found])


def _proposals(work: Work) -> None:
    findings = [Finding(**finding) for finding in (*work.kept["audit"], *work.kept["profiles"])]
    source_side.propose(work.step.engagement, people_of(work), findings, actor=work.actor, progress=work.progress)


def _environment(work: Work, *, environment: Environment) -> None:
    destination.discover(environment, actor=work.actor, progress=work.progress)
