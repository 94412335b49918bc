"""Leases: what one worker does alone it holds for a while, renews while it works, and loses when it dies.

They are told by the database's clock, so that a machine whose own is wrong takes nothing from others, and loses nothing to them.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db.models import Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from loads.ledger import LeaseLost
from loads.models import Run

LEASE = timedelta(seconds=90)
BEAT_S = 1.0


def take(run: Run, worker: str) -> bool:
    """Make the run's own lease this worker's; False where another one holds it, or the run's state has changed."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now()) | Q(worker=worker)
    return bool(Run.objects.filter(free, pk=run.pk, state=run.state).update(worker=worker, **_held()))


def keep(run: Run, worker: str) -> None:
    """Renew the run's lease and say that its worker is alive. Raises LeaseLost."""
    if not Run.objects.filter(pk=run.pk, worker=worker).update(**_held()):
        raise LeaseLost(f"{run} belongs to another worker now.")


def beat(keep_it: Callable[[], None]) -> Callable[[], None]:
    """What work under a lease just taken calls as often as it likes: it keeps the lease once in BEAT_S. Raises as `keep_it` does."""
    kept = time.monotonic()

    def now_and_then() -> None:
        nonlocal kept
        if time.monotonic() - kept >= BEAT_S:
            kept = time.monotonic()
            keep_it()

    return now_and_then


def keeping(run: Run, worker: str) -> Callable[[], None]:
    """The beat of work that is done alone, under the run's own lease. Raises LeaseLost."""
    return beat(partial(keep, run, worker))


def _held() -> dict[str, Combinable]:
    return {"lease_until": Now() + LEASE, "heartbeat_at": Now()}


def give_back(run: Run, worker: str) -> None:
    """Let others have the run's lease."""
    Run.objects.filter(pk=run.pk, worker=worker).update(lease_until=None)
