"""Discovery of an engagement: the source, then every environment that has a connection, part by part."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cache, partial
from typing import Any

from connectors import landing
from connectors.base import Finding
from connectors.models import Dataset
from mapping.discovery import destination
from mapping.discovery import source as source_side
from mapping.discovery.keys import make_files
from mapping.discovery.objects import keep_objects
from mapping.discovery.profiling import keep_profiles
from mapping.playbooks import DatasetRule, load_playbook
from workbench.engagements.models import Engagement, Environment
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work


def environments(engagement: Engagement) -> list[Environment]:
    """The environments, the sandbox first."""
    return list(Environment.objects.filter(engagement=engagement).select_related("engagement", "connection").order_by("-kind"))


def landing_part(purpose: str, *, delta: bool = False) -> Callable[[Work], bool]:
    """A part that lands the people for a purpose and keeps the dataset's number for those that follow. delta: only what changed."""

    def land(work: Work) -> bool:
        engagement = work.step.engagement
        how: dict[str, Any] = {"progress": work.in_passing(), "time_given": work.time, "delta": delta}
        dataset = source_side.land_people(engagement, work.source, purpose, **how)
        if dataset is None:
            return False
        work.keep(dataset=dataset.pk)
        return True

    return land


def object_part(rule: DatasetRule, purpose: str, *, delta: bool = False) -> Part:
    """A part that lands one of the playbook's datasets for a purpose. delta: only what changed."""

    def land(work: Work) -> bool:
        engagement = work.step.engagement
        how: dict[str, Any] = {"progress": work.in_passing(), "time_given": work.time, "delta": delta}
        dataset = source_side.land_object(engagement, work.source, rule, purpose, **how)
        return dataset is not None

    return Part(f"object {rule.name}", land, f"asking the source for {rule.name}")


def people_of(work: Work) -> Dataset:
    """The people that an earlier part of the step landed."""
    return Dataset.objects.select_related("engagement").get(pk=work.kept["dataset"])


def keys() -> Part:
    """A part that makes the keys of the people that were landed, and of what hangs on them."""
    return Part("keys", _keys, "reading the keys of people, purchases and members of lists")


def fields_parts(step: Step, purpose: str, profiled: Callable[[Work, str, Mapping[str, Dataset]], None]) -> Iterator[Part]:
    """A part for each object beside people, which is given its name and the newest datasets, read once for all parts of a task."""
    newest = cache(partial(landing.newest, step.engagement, purpose=purpose))

    def of_object(work: Work, *, name: str) -> None:
        profiled(work, name, newest())

    for name in source_side.profiled_objects(load_playbook(step.engagement.platform)):
        yield Part(f"fields of {name}", partial(of_object, name=name), f"profiling the fields of {name}")


def parts(step: Step) -> list[Part]:
    """What discovery does: audit, people, further objects, profiles, keys and proposals of the source, then each environment."""
    playbook = load_playbook(step.engagement.platform)
    return [
        Part("audit", _audit),
        Part("people", landing_part(Dataset.Purpose.DISCOVERY), "asking the source for people"),
        *(object_part(rule, Dataset.Purpose.DISCOVERY) for rule in playbook.datasets),
        Part("profiles", _profiles, "profiling the fields of people"),
        *fields_parts(step, Dataset.Purpose.DISCOVERY, _fields_of),
        keys(),
        Part("objects", _objects, "counting events, lists, campaigns and purchases"),
        Part("proposals", _proposals),
        *checks(step),
    ]


def checks(step: Step) -> list[Part]:
    """The environments alone, as after something was mended or switched there."""
    return [Part(f"environment {row.pk}", partial(_environment, environment=row)) for row in environments(step.engagement)]


def _audit(work: Work) -> None:
    found = source_side.audit(work.step.engagement, work.source, work.progress)
    work.keep(audit=[asdict(finding) for finding in found])


def _keys(work: Work) -> None:
    make_files(work.step.engagement, people_of(work).purpose)


def _profiles(work: Work) -> None:
    found = keep_profiles(people_of(work), work.source.reference("fields"))
    work.keep(profiles=[asdict(finding) for finding in found])


def _fields_of(work: Work, name: str, newest: Mapping[str, Dataset]) -> None:
    if found := source_side.profile_object(work.step.engagement, name, newest):
        work.keep(profiles=[*work.kept["profiles"], *(asdict(finding) for finding in found)])


def _objects(work: Work) -> None:
    work.keep(objects=[asdict(finding) for finding in keep_objects(work.step.engagement)])


def _proposals(work: Work) -> None:
    kept = [*work.kept["audit"], *work.kept["profiles"], *work.kept.get("objects", ())]
    findings = [Finding(**finding) for finding in kept]
    source_side.propose(work.step.engagement, people_of(work), findings, actor=work.actor, progress=work.progress)


def _environment(work: Work, *, environment: Environment) -> None:
    destination.discover(environment, actor=work.actor, progress=work.progress)
