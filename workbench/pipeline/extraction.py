"""Full extraction: after the matrix is signed, every object is landed for loading, and what is new since discovery becomes a question."""

from collections.abc import Mapping

from connectors.models import Dataset
from mapping.checks.keeping import keep
from mapping.checks.source import TOLD_WHILE_LANDING
from mapping.discovery import destination
from mapping.discovery import source as source_side
from mapping.discovery.keys import people_keys
from mapping.discovery.objects import LandedObjects, told_while_landing
from mapping.discovery.profiling import keep_profiles
from mapping.playbooks import load_playbook
from workbench.engagements import gates, history
from workbench.pipeline.discovery import environments, fields_parts, keys, landing_part, object_part, people_of
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work

PROFILED_AT_MOST = 500_000  # records of an object beside people


def parts(step: Step) -> list[Part]:
    """What extraction does: every object is landed, profiles are made anew, and what nobody decided yet is asked.

    A delta fetches what changed since the last complete extraction where the source can say it, and carries the rest over.
    """
    playbook, delta = load_playbook(step.engagement.platform), step.name == Step.Name.DELTA
    return [
        Part("answers", _answers, "landing lists, channels and the register of forgotten people"),
        Part("people", landing_part(Dataset.Purpose.LOAD, delta=delta), "asking the source for people"),
        *(object_part(rule, Dataset.Purpose.LOAD, delta=delta) for rule in playbook.datasets),
        Part("profiles", _profiles, "profiling the fields of people"),
        *fields_parts(step, Dataset.Purpose.LOAD, _fields_of),
        Part("fields", _fields, "looking for fields that are new"),
        keys(),
        Part("questions", _questions, "looking for stages, owners and companies that are new"),
    ]


def _answers(work: Work) -> None:
    gates.require("extract", work.step.engagement)
    source_side.land_small(work.step.engagement, work.source, Dataset.Purpose.LOAD)


def _profiles(work: Work) -> None:
    keep_profiles(people_of(work), work.source.reference("fields"))


def _fields_of(work: Work, name: str, newest: Mapping[str, Dataset]) -> None:
    """Of what changed and is small enough for a part; of larger objects the samples of discovery have to do."""
    source_side.profile_object(work.step.engagement, name, newest, at_most=PROFILED_AT_MOST, again=False)


def _fields(work: Work) -> None:
    """Fields that no line of the maps knows: their values stay unloaded, and each opens a line to be decided."""
    first = next(iter(environments(work.step.engagement)), None)
    if first and (new := destination.propose_new_fields(first)):
        detail = {"fields": new}
        history.record(work.step.engagement, actor=work.actor, action="asked about new fields", subject=f"{len(new)} fields", detail=detail)


def _questions(work: Work) -> None:
    """Stages, owners and lists that may be companies, where they are new: open questions, since signatures stand for what they listed."""
    engagement, dataset = work.step.engagement, people_of(work)
    playbook, path = load_playbook(engagement.platform), people_keys(engagement, dataset)
    source_side.keep_stages_and_owners(engagement, path, playbook, signed=True)
    source_side.keep_organisations(engagement, Dataset.Purpose.LOAD)
    told = told_while_landing(LandedObjects(engagement, Dataset.Purpose.LOAD))
    keep(engagement, None, told, actor=work.actor, only=TOLD_WHILE_LANDING)
    detail = {"boundary": dataset.started_at.isoformat(), "people": dataset.rows, "sha256": dataset.sha256}
    action = "extracted what changed" if dataset.base_id else "extracted"
    history.record(engagement, actor=work.actor, action=action, subject=str(dataset), detail=detail)
