"""Records staged in ranges, by any number of workers at once, each range under a lease of its own.

A range's file of dispositions is written last and says that it is staged; what stands in the database says which are left.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar

from django.db.models import Q
from django.db.models.functions import Now

from connectors import landing
from connectors.models import Dataset
from connectors.store import batched
from loads import crosswalk, staged
from loads.crosswalk import Given
from loads.leases import LEASE
from loads.ledger import LeaseLost
from loads.models import Run, StagingRange
from loads.scans.reading import Wanted, forget, is_read
from loads.staging import following, phases
from loads.staging.context import StagingContext
from loads.staging.rows import SAMPLES

RANGE = 20_000  # records
FEW = 1_000  # records that whoever decides on them stages too: to offer them to others takes longer
GIVING_S = 30.0  # of one task


class HasPosition(Protocol):
    """A decision of either kind."""

    @property
    def position(self) -> int:
        """The record's."""


Decided = TypeVar("Decided", bound=HasPosition)


class InRanges(ABC):
    """An object whose records are decided on set-based, then built into rows a range at a time."""

    def __init__(self, context: StagingContext, object_name: str) -> None:
        """Nothing is read yet."""
        self.context, self.object_name = context, object_name

    @property
    def dataset(self) -> Dataset:
        """The records."""
        return self.context.dataset(self.object_name)

    @cached_property
    def records(self) -> int:
        """How many there are, unreadable ones too."""
        return landing.positions(self.dataset)

    @property
    @abstractmethod
    def there(self) -> Sequence[Wanted]:
        """What is read of the destination's rows before anything is decided."""

    @property
    @abstractmethod
    def scans(self) -> Sequence[str]:
        """The names under which that may have been read."""

    @abstractmethod
    def decide(self) -> None:
        """Decide on all records, set-based; the file of decisions is written last."""

    @abstractmethod
    def given(self, start: int) -> Iterable[Given]:
        """The ids that were decided, from one of them on, always in the same order."""

    @abstractmethod
    def stage_range(self, number: int) -> None:
        """Build the rows of one range; its file of dispositions is written last."""

    @abstractmethod
    def phases(self) -> Iterable[tuple[str, str]]:
        """(table, kind of phase) in the order they are loaded, table '' last where records may have none."""

    def stage(self) -> None:
        """Do the next part that one worker does alone: decide, offer the ranges to all, or close the object once they are staged.

        What must be read of the destination before is offered to all, too. Of few records all is done at once.
        """
        if not self.context.decisions(self.object_name).exists():
            if not all([is_read(self.context.run, wanted) for wanted in self.there]):  # each is offered
                return
            self.decide()
            if not self._are_few:
                return
        left = list(self._left())
        if left and not self._are_few:
            self._offer(left)
        elif not left or self._stage_here():
            self._close()

    def _stage_here(self) -> bool:
        """Stage the one range that there is; False where the next call must go on with the ids."""
        if not self._give():
            return False
        self.stage_range(0)
        return True

    def _close(self) -> None:
        following.follow(self.context, self.object_name)
        forget(self.context.run, *self.scans)  # of this object alone: others may have read theirs and not decided yet
        phases.record(self.context.run, self.object_name, self.phases(), self.context.worker)

    def _left(self) -> Iterator[int]:
        """Ranges that have no file yet; an object without records has one range nonetheless."""
        for number in range(self._ranges):
            if not staged.part(self.context.run, self.object_name, staged.DISPOSITIONS_KIND, number).is_file():
                yield number

    @property
    def samples(self) -> int:
        """About how many of a range's plain rows, and of its lossy ones, are read back with their source values."""
        return max(1, SAMPLES * RANGE // max(self.records, RANGE))

    def beside(self, number: int, decisions: Iterator[Decided]) -> Iterator[tuple[Decided, dict[str, Any] | None, str]]:
        """The decisions of a range with their records, and what is wrong with those that can't be read."""
        for landed in landing.scan(self.dataset, *bounds(number)):
            decision = next(decisions)
            if decision.position != landed.position:
                raise AssertionError(f"Decision {decision.position} met record {landed.position}.")
            yield decision, landing.parse(landed.raw)[0] if landed.problem is None else None, landed.problem or ""
            if not landed.position % 2_000:
                self.context.beat()
        self.context.beat()

    @property
    def _ranges(self) -> int:
        return max(1, math.ceil(self.records / RANGE))

    @property
    def _are_few(self) -> bool:
        return self.records <= min(FEW, RANGE)

    def _offer(self, numbers: list[int]) -> None:
        """Let workers take these ranges; ids are given before the first of them."""
        if len(numbers) == self._ranges and not self._give():
            return
        offered = [StagingRange(run=self.context.run, object_name=self.object_name, number=number) for number in numbers]
        StagingRange.objects.bulk_create(offered, batch_size=500, ignore_conflicts=True)

    def _give(self) -> bool:
        """Give ids for a while; False where there are more, which the next call gives. Given twice they are the same."""
        run, until = self.context.run, time.monotonic() + GIVING_S
        done = run.given.get(self.object_name, 0)
        for some in batched(self.given(done), crosswalk.BATCH):
            crosswalk.follow(run.environment, self.object_name, some)
            done += len(some)
            run.given = {**run.given, self.object_name: done}
            Run.objects.filter(pk=run.pk).update(given=run.given)
            self.context.beat()
            if time.monotonic() > until:
                return False
        return True


def bounds(number: int) -> tuple[int, int]:
    """The positions of a range's records: from the first up to the second, which isn't in it."""
    return number * RANGE, (number + 1) * RANGE


def take(run: Run, worker: str) -> StagingRange | None:
    """Lease the next range that nobody stages; None where there is none."""
    while True:
        free = Q(lease_until=None) | Q(lease_until__lt=Now())
        found = run.staging_ranges.filter(free).first()
        if found is None:
            return None
        if StagingRange.objects.filter(free, pk=found.pk).update(worker=worker, lease_until=Now() + LEASE):
            return found


def keep(taken: StagingRange, worker: str) -> None:
    """Renew the lease and say that the run goes on. Raises LeaseLost."""
    if not StagingRange.objects.filter(pk=taken.pk, worker=worker).update(lease_until=Now() + LEASE):
        raise LeaseLost(f"{taken} belongs to another worker now.")
    Run.objects.filter(pk=taken.run_id).update(heartbeat_at=Now())


def give_back(worker: str) -> None:
    """Let others have what a worker holds."""
    StagingRange.objects.filter(worker=worker).update(lease_until=None)
