"""One worker's part in a run for as long as a task lasts: what it works with, and the calls that it has under way.

What is told to others and heard of them goes by beats, however many short pieces of work lie between two of them.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from django.db import Error as DatabaseLost
from django.db.models.functions import Now

from loads import ledger, runs
from loads.budget import Budget
from loads.callers import Callers
from loads.destination import Destination
from loads.flight import Flight, Underway
from loads.learned import Learned
from loads.leases import BEAT_S
from loads.models import Run

RENEW_AFTER_S = 20
LOOK_S = 1.0  # for an answer, before the worker says again that it is alive


@dataclass(frozen=True, slots=True)
class Doing:
    """What a worker does of one kind. count: of what waited when it was looked at. begin_next: begins one, None where others took the rest.

    renew: keeps the worker's chunks or scans of these ids, and says how many are still its own. give_back: takes what won't be settled.
    """

    count: int
    begin_next: Callable[[], Underway | None]
    renew: Callable[[Sequence[int]], int]
    give_back: Callable[[Iterable[Underway]], None]


class Work:
    """What a worker takes part in a run with; a context manager, whose end is the last word on how fast it went."""

    def __init__(self, run: Run, destination: Destination, worker: str, deadline: float, *, last_try: bool = False) -> None:
        """Nothing is told or heard yet. deadline: of time.monotonic. last_try: what may pass has failed often enough."""
        self.run, self.destination, self.worker = run, destination, worker
        self.deadline, self.last_try = deadline, last_try
        self.budget = Budget(run)
        self._callers = Callers(run, destination, worker)
        self._learned: Learned | None = None  # from the first call on
        self._beaten = self._renewed = time.monotonic()
        self._is_going = True

    def __enter__(self) -> "Work":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Where the database is gone there is no last word."""
        with suppress(DatabaseLost):
            self._tell()

    def fly(self, doing: Doing) -> bool:
        """Begin what there is to do, as fast as the service takes it, until the deadline, and at least one; False where there was nothing.

        Raises LeaseLost where something went to another worker, and what the service or the store raises: then what isn't settled is given
        back.
        """
        if self._learned is None:
            self._learned = Learned(self.run.environment, self.destination.client.base_url)
            self._callers.hear()
        taken, left = 0, doing.count
        flight = Flight(self.destination.clients)
        try:
            with flight:
                while True:
                    while flight.has_room and taken < left and (not taken or time.monotonic() < self.deadline) and self._is_going:
                        underway = doing.begin_next()
                        if underway is None:
                            left = taken
                            break
                        taken += 1
                        flight.start(underway)
                    if not flight.underway:
                        return taken > 0
                    flight.land(LOOK_S)
                    self.beat(doing, flight.underway)
        except Exception:
            with suppress(DatabaseLost):
                doing.give_back(flight.unsettled)
            raise

    def beat(self, doing: Doing | None = None, underway: Sequence[Underway] = ()) -> None:
        """Once a beat: say that the worker is alive, tell and hear how fast all go, and keep what is under way. Raises LeaseLost."""
        now = time.monotonic()
        if now - self._beaten < BEAT_S:
            return
        self._beaten = now
        if self._learned:
            self._tell()
            self._callers.hear()
        self._is_going = bool(Run.objects.filter(pk=self.run.pk, state__in=runs.GOING).update(heartbeat_at=Now()))
        if doing and underway and now - self._renewed > RENEW_AFTER_S:
            self._renewed = now
            if doing.renew([one.chunk.pk for one in underway]) < len(underway):
                raise ledger.LeaseLost(f"A part of {self.run} belongs to another worker now.")

    def _tell(self) -> None:
        if self._learned:
            self._callers.tell()
            self._learned.keep()
