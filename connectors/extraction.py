"""Extraction: a source's slices into a dataset, going on after the last complete slice."""

import logging
from collections.abc import Callable, Iterable

import orjson

from connectors import landing
from connectors.base import Source
from connectors.models import Dataset
from workbench.engagements import gates
from workbench.engagements.models import Engagement

logger = logging.getLogger(__name__)
Progress = Callable[[str], None]


def extract(*, engagement: Engagement, source: Source, object_name: str, purpose: str, identify: landing.Identify, progress: Progress = logger.info) -> Dataset:
    """Land every slice of an object and seal the dataset.

    A `load` dataset needs the matrix sign-off. Raises GateClosed and whatever the source or the store raises;
    what was complete stays and a second call goes on from there.
    """
    if purpose == Dataset.Purpose.LOAD:
        gates.require("extract", engagement)
    dataset = landing.open_dataset(engagement=engagement, object_name=object_name, purpose=purpose)
    for piece in source.slices(object_name, dataset.started_at):
        done = landing.land_piece(dataset, piece.name, source.read(object_name, piece), identify)
        progress(f"{object_name}: {done.name}, {done.rows} records")
    return landing.seal(dataset)


def land_answers(
    *, engagement: Engagement, object_name: str, purpose: str, answers: Iterable[object], identify: landing.Identify, derived: bool = False
) -> Dataset:
    """Land small single answers (lists, channels), or derived records, as a dataset of one slice.

    Derived records are made anew each time: what an attempt that was cut off left behind is of another plan.
    """
    if purpose == Dataset.Purpose.LOAD:
        gates.require("extract", engagement)
    if derived:
        Dataset.objects.filter(engagement=engagement, object_name=object_name, purpose=purpose, state=Dataset.State.OPEN).delete()
    dataset = landing.open_dataset(engagement=engagement, object_name=object_name, purpose=purpose, derived=derived)
    landing.land_piece(dataset, "all", (orjson.dumps(answer) for answer in answers), identify)
    return landing.seal(dataset)

