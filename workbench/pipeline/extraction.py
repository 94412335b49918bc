"""Full extraction: after the matrix is signed, every object is landed for loading, and what is new since discovery becomes a question."""

from functools import partial

from connectors.models import Dataset
from mapping.discovery import destination
from mapping.discovery import source as source_side
from mapping.playbooks import DatasetRule, load_playbook
from workbench.engagements import gates, history
from workbench.pipeline.discovery import environments, keys, landing_part, people_of, source_of
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work


def parts(step: Step) -> list[Part]:
    """What extraction does: every object is landed, profiles are made anew, and what nobody decided yet is asked."""
    return [
        Part("answers", _answers),
        Part("people", landing_part(Dataset.Purpose.LOAD)),
        *(Part(f"object {rule.name}", partial(_object, rule=rule)) for rule in load_playbook(step.engagement.platform).datasets),
        Part("profiles", _profiles),
        Part("fields", _fields),
        Part("keys", keys),
        Part("questions", _questions),
    ]


def _answers(work: Work) -> None:
    work.progress("landing lists, channels and the register of forgotten people")
    gates.require("extract", work.step.engagement)
    source_side.land_small(work.step.engagement, source_of(work.step.engagement), Dataset.Purpose.LOAD)


def _object(work: Work, *, rule: DatasetRule) -> bool:
    engagement, source = work.step.engagement, source_of(work.step.engagement)
    dataset = source_side.land_object(engagement, source, rule, Dataset.Purpose.LOAD, progress=work.progress, time_given=work.time)
    return dataset is not None


def _profiles(work: Work) -> None:
    source_side.keep_profiles(work.step.engagement, source_of(work.step.engagement), people_of(work), work.progress)


def _fields(work: Work) -> None:
    """Fields that no line of the maps knows: their values stay unloaded, and each opens a line to be decided."""
    work.progress("looking for fields that are new")
    first = next(iter(environments(work.step.engagement)), None)
    if first and (new := destination.propose_new_fields(first)):
        detail = {"fields": new}
        history.record(work.step.engagement, actor=work.actor, action="asked about new fields", subject=f"{len(new)} fields", detail=detail)


def _questions(work: Work) -> None:
    """Stages and owners that are new: open questions, since the signature stands for what it listed."""
    work.progress("looking for stages and owners that are new")
    engagement, dataset = work.step.engagement, people_of(work)
    playbook, path = load_playbook(engagement.platform), source_side.people_keys(engagement, dataset)
    source_side.keep_stages_and_owners(engagement, path, playbook, signed=True)
    detail = {"boundary": dataset.started_at.isoformat(), "people": dataset.rows, "sha256": dataset.sha256}
    history.record(engagement, actor=work.actor, action="extracted", subject=str(dataset), detail=detail)
