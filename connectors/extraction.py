"""Extraction: a source's slices into a dataset, going on after the last complete slice.

No task may last long: a call works for the time given, and the next one goes on. What the source must know again, such as its
running jobs, and which slices are halved because they took too long, stands in the dataset's memory.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta

from connectors import carrying, landing, rawjson
from connectors.base import Narrowing, Reading, Slice, Source, StillPreparing
from connectors.models import Dataset
from connectors.sampling import Sampler, Sampling
from workbench.engagements import gates
from workbench.engagements.errors import Retryable
from workbench.engagements.models import Engagement

logger = logging.getLogger(__name__)
Progress = Callable[[str], None]
# What landing waits for, the engine as much as the page.
GATES: Mapping[str, str] = {Dataset.Purpose.DISCOVERY: "discover", Dataset.Purpose.LOAD: "extract"}
TRIES = 2  # a slice whose reading was begun so often, and killed each time, is halved
WATCHED = 5_000  # records between two words of progress
LOOKED = 10  # records between two looks at the clock: of some objects each record is a call


class SliceTooLong(Retryable):
    """A slice can't be read in the time that a task has."""

    remedy = "Start the step again: the slice is read in two halves where it can be divided. Else raise TASK_TIMEOUT_S and TASK_RETRY_S."


@dataclass(frozen=True, slots=True)
class Time:
    """Times of time.monotonic(): after `until` nothing new is begun, after `at_most` what was begun is given up."""

    until: float = math.inf
    at_most: float = math.inf


def extract(
    *,
    engagement: Engagement,
    source: Source,
    object_name: str,
    purpose: str,
    identify: landing.Identify,
    progress: Progress = logger.info,
    time_given: Time = Time(),  # it can't change
    fields: tuple[str, ...] = (),
    sampling: Sampling | None = None,
    origin: str = "",
    base: Dataset | None = None,
    overlap: timedelta = carrying.LATE,
    forget: landing.Forget | None = None,
) -> Dataset | None:
    """Land every slice of an object and seal the dataset; None where the time is up and another call must go on.

    fields: the only ones that are asked for, all where empty. sampling: every record is counted and few of them are kept. origin: a hash of
    where it comes from. base: a complete dataset that unchanged records are carried over from, of an object that can be narrowed.
    overlap: how far before the newest record of the base the source is asked. forget: of whom was erased nothing is landed.
    A `load` dataset needs the matrix sign-off. Raises GateClosed and whatever the source or the store raises; what was complete stays
    and a second call goes on from there.
    """
    gates.require(GATES[purpose], engagement)
    narrowing = source.narrowing(object_name) if purpose == Dataset.Purpose.LOAD else None
    base = base if narrowing else None
    dataset = landing.open_dataset(engagement=engagement, object_name=object_name, purpose=purpose, base=base, origin=origin)
    reading = Reading(dataset.memory, time_given.until, fields, once=sampling is not None)
    sampler = Sampler(sampling, dataset) if sampling else None
    job = _Job(dataset, source, identify, progress, time_given, reading, sampler, narrowing, overlap, forget)
    if not (_narrowed(job) if narrowing and dataset.base else _landed(job, source.slices(object_name, dataset.started_at))):
        return None
    if sampler:
        sampler.finish()
    return landing.seal(dataset)


@dataclass(frozen=True, slots=True)
class _Job:
    """One call of `extract`."""

    dataset: Dataset
    source: Source
    identify: landing.Identify
    progress: Progress
    time_given: Time
    reading: Reading
    sampler: Sampler | None
    narrowing: Narrowing | None
    overlap: timedelta
    forget: landing.Forget | None

    def known(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The lines without the records of people who were erased."""
        for line in lines:
            record = landing.parse(line)[0] if self.forget else None
            if record is None or self.forget is None or not self.forget.names(record):
                yield line


def _landed(job: _Job, slices: list[Slice]) -> bool:
    """Land the slices that aren't landed yet; False where the time is up."""
    landed = set(job.dataset.pieces.values_list("name", flat=True))
    for piece in _pieces(job, slices):
        if piece.name in landed:
            continue
        if not _land(job, piece, len(landed)) or time.monotonic() > job.time_given.until:
            return False
        landed.add(piece.name)
    return True


def _narrowed(job: _Job) -> bool:
    """Land what changed since the base and carry the rest over; False where the time is up."""
    dataset, base, narrowing = job.dataset, job.dataset.base, job.narrowing
    if base is None or narrowing is None:
        raise ValueError("Without a base there is nothing to carry over.")
    if not narrowing.listed:
        carrying.link(dataset, base)
    if not _landed(job, job.source.changes(dataset.object_name, carrying.watermark(base, job.overlap))):
        return False
    if narrowing.listed:
        rest, whole = carrying.Carrying(dataset, base, narrowing), job.source.slices(dataset.object_name, dataset.started_at)
        if not _listed(job, rest, narrowing, whole) or not _landed(job, _unseen(job, rest, whole)):
            return False
        job.progress(f"{dataset.object_name}: carrying over what didn't change")
        rest.carry_over()
        rest.clear()
    return True


def _listed(job: _Job, rest: carrying.Carrying, narrowing: Narrowing, slices: list[Slice]) -> bool:
    """Have the source list every record by a few fields; False where the time is up."""
    dataset, until = job.dataset, job.time_given.until
    reading = carrying.list_reading(dataset.memory, until, narrowing)
    for number, piece in enumerate(slices):
        if rest.is_listed(number):
            continue
        try:
            rest.keep_listed(number, job.known(job.source.read(dataset.object_name, piece, reading)))
        except StillPreparing:
            return False
        finally:
            _remember(dataset)
        job.progress(f"{dataset.object_name}: {piece.name} listed")
        if time.monotonic() > until:
            return False
    return True


def _unseen(job: _Job, rest: carrying.Carrying, slices: list[Slice]) -> list[Slice]:
    """Slices that hold what nobody has seen yet; chosen once, since what is fetched is no longer unseen."""
    memory = job.dataset.memory
    if "unseen" not in memory:
        memory["unseen"] = sorted(rest.unseen())
        _remember(job.dataset)
    return [slices[number] for number in memory["unseen"]]


def _pieces(job: _Job, slices: list[Slice]) -> Iterator[Slice]:
    """The slices in their order, those that took too long as their halves."""
    waiting = list(reversed(slices))
    while waiting:
        piece = waiting.pop()
        halves = job.source.halves(piece) if piece.name in job.dataset.memory.get("halved", ()) else None
        if halves:
            waiting += reversed(halves)
        else:
            yield piece


def _land(job: _Job, piece: Slice, landed: int) -> bool:
    """Land one slice; False where it must be gone on with later: its records aren't ready yet, or it is to be halved.

    landed: how many slices are there already.
    """
    dataset, source = job.dataset, job.source
    if dataset.memory.get("begun", {}).get(piece.name, 0) >= TRIES and source.halves(piece):
        return _halve(dataset, piece)
    lines = _watched(source.read(dataset.object_name, piece, job.reading), job, piece)
    lines = job.known(job.sampler.sift(piece.name, lines)) if job.sampler else lines
    lines = _with_findings(lines, dataset, job.reading)
    stamp = [job.narrowing.stamp] if job.narrowing else []
    try:
        done = landing.land_piece(dataset, piece.name, lines, job.identify, *stamp, forget=job.forget, landed=landed)
    except StillPreparing:
        job.progress(f"{dataset.object_name}: waiting for {piece.name}")
        return False
    except SliceTooLong:
        if source.halves(piece) is None:
            raise
        return _halve(dataset, piece)
    finally:
        _remember(dataset)
    job.progress(f"{dataset.object_name}: {done.name}, {done.rows} records")
    return True


def _watched(lines: Iterator[bytes], job: _Job, piece: Slice) -> Iterator[bytes]:
    """The lines, with a word of progress now and then.

    That reading began is kept first where the slice may have to be halved, since a kill leaves no other trace.
    """
    dataset = job.dataset
    for number, line in enumerate(lines):
        if number == 0 and job.source.halves(piece) is not None:
            begun = dataset.memory.setdefault("begun", {})
            begun[piece.name] = begun.get(piece.name, 0) + 1
            _remember(dataset)
        if number and number % WATCHED == 0:
            job.progress(f"{dataset.object_name}: {piece.name}, {number} records")
        if number and number % LOOKED == 0 and time.monotonic() > job.time_given.at_most:
            raise SliceTooLong(f"{piece.name} of {dataset.object_name} takes longer than a task may.")
        yield line


def _halve(dataset: Dataset, piece: Slice) -> bool:
    dataset.memory["halved"] = [*dataset.memory.get("halved", ()), piece.name]
    _remember(dataset)
    logger.info("a slice of dataset %s takes too long; it is halved", dataset.pk)
    return False


def _with_findings(lines: Iterator[bytes], dataset: Dataset, reading: Reading) -> Iterator[bytes]:
    """The lines; what the source couldn't give is kept after the last one, before the slice counts as landed. So is the memory."""
    yield from lines
    _remember(dataset)
    new = [found for finding in reading.findings if (found := asdict(finding)) not in dataset.findings]
    if new:
        dataset.findings += new
        Dataset.objects.filter(pk=dataset.pk).update(findings=dataset.findings)


def _remember(dataset: Dataset) -> None:
    """Keep the memory, where it isn't as it was kept last."""
    if (now := json.dumps(dataset.memory)) != dataset.remembered:
        Dataset.objects.filter(pk=dataset.pk).update(memory=dataset.memory)
        dataset.remembered = now


def land_answers(
    *, engagement: Engagement, object_name: str, purpose: str, answers: Iterable[object], identify: landing.Identify, derived: bool = False
) -> Dataset:
    """Land small single answers (lists, channels), or derived records, as a dataset of one slice.

    Derived records are made anew each time: what an attempt that was cut off left behind is of another plan.
    """
    gates.require(GATES[purpose], engagement)
    if derived:
        Dataset.objects.filter(engagement=engagement, object_name=object_name, purpose=purpose, state=Dataset.State.OPEN).delete()
    dataset = landing.open_dataset(engagement=engagement, object_name=object_name, purpose=purpose, derived=derived)
    landing.land_piece(dataset, "all", (rawjson.write(answer) for answer in answers), identify)
    return landing.seal(dataset)
