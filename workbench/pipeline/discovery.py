"""Discovery of an engagement: the source, then every environment that has a connection, part by part."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from connectors.base import Finding, Source
from connectors.models import Dataset
from connectors.registry import SOURCES
from mapping.discovery import destination
from mapping.discovery import source as source_side
from mapping.discovery.keys import make_files
from mapping.discovery.objects import keep_objects
from mapping.discovery.profiling import keep_profiles
from mapping.playbooks import DatasetRule, load_playbook
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


def landing_part(purpose: str, *, delta: bool = False) -> Callable[[Work], bool]:
    """A part that lands the people for a purpose and keeps the dataset's number for those that follow. delta: only what changed."""

    def land(work: Work) -> bool:
        engagement = work.step.engagement
        how: dict[str, Any] = {"progress": work.progress, "time_given": work.time, "delta": delta}
        dataset = source_side.land_people(engagement, source_of(engagement), purpose, **how)
        if dataset is None:
            return False
        work.keep(dataset=dataset.pk)
        return True

    return land


def object_part(rule: DatasetRule, purpose: str, *, delta: bool = False) -> Part:
    """A part that lands one of the playbook's datasets for a purpose. delta: only what changed."""

    def land(work: Work) -> bool:
        engagement = work.step.engagement
        how: dict[str, Any] = {"progress": work.progress, "time_given": work.time, "delta": delta}
        dataset = source_side.land_object(engagement, source_of(engagement), rule, purpose, **how)
        return dataset is not None

    return Part(f"object {rule.name}", land)


def people_of(work: Work) -> Dataset:
    """The people that an earlier part of the step landed."""
    return Dataset.objects.select_related("engagement").get(pk=work.kept["dataset"])


def keys(work: Work) -> None:
    """Make the keys of the people that were landed, and of what hangs on them."""
    work.progress("reading the keys of people, purchases and members of lists")
    make_files(work.step.engagement, people_of(work).purpose)


def parts(step: Step) -> list[Part]:
    """What discovery does: audit, people, further objects, profiles, keys and proposals of the source, then each environment."""
    playbook = load_playbook(step.engagement.platform)
    return [
        Part("audit", _audit),
        Part("people", landing_part(Dataset.Purpose.DISCOVERY)),
        *(object_part(rule, Dataset.Purpose.DISCOVERY) for rule in playbook.datasets),
        Part("profiles", _profiles),
        *(Part(f"fields of {name}", partial(_fields_of, name=name)) for name in source_side.profiled_objects(playbook)),
        Part("keys", keys),
        Part("objects", _objects),
        Part("proposals", _proposals),
        *checks(step),
    ]


def checks(step: Step) -> list[Part]:
    """The environments alone, as after something was mended or switched there."""
    return [Part(f"environment {row.pk}", partial(_environment, environment=row)) for row in environments(step.engagement)]


def _audit(work: Work) -> None:
    found = source_side.audit(work.step.engagement, source_of(work.step.engagement), work.progress)
    work.keep(audit=[asdict(finding) for finding in found])


def _profiles(work: Work) -> None:
    work.progress("profiling the fields of people")
    found = keep_profiles(people_of(work), source_of(work.step.engagement).reference("fields"))
    work.keep(profiles=[asdict(finding) for finding in found])


def _fields_of(work: Work, *, name: str) -> None:
    work.progress(f"profiling the fields of {name}")
    found = source_side.profile_object(work.step.engagement, name, Dataset.Purpose.DISCOVERY)
    if found:
        work.keep(profiles=[*work.kept["profiles"], *(asdict(finding) for finding in found)])


def _objects(work: Work) -> None:
    work.progress("counting events, lists, campaigns and purchases")
    work.keep(objects=[asdict(finding) for finding in keep_objects(work.step.engagement)])


def _proposals(work: Work) -> None:
    kept = [*work.kept["audit"], *work.kept["profiles"], *work.kept.get("objects", ())]
    findings = [Finding(**finding) for finding in kept]
    source_side.propose(work.step.engagement, people_of(work), findings, actor=work.actor, progress=work.progress)


def _environment(work: Work, *, environment: Environment) -> None:
    destination.discover(environment, actor=work.actor, progress=work.progress)
