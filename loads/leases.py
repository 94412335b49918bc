"""Leases: what one worker does alone it holds for a while, renews while it works, and loses when it dies."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from loads.ledger import LeaseLost
from loads.models import Run

LEASE = timedelta(seconds=90)


def take(run: Run, worker: str) -> bool:
    """Make the run's own lease this worker's; False where another one holds it, or the run's state has changed."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now) | Q(worker=worker)
    return bool(Run.objects.filter(free, pk=run.pk, state=run.state).update(worker=worker, lease_until=now + LEASE, heartbeat_at=now))


def keep(run: Run, worker: str) -> None:
    """Renew the run's lease and say that its worker is alive. Raises LeaseLost."""
    now = timezone.now()
    if not Run.objects.filter(pk=run.pk, worker=worker).update(lease_until=now + LEASE, heartbeat_at=now):
        raise LeaseLost(f"{run} belongs to another worker now.")


def give_back(run: Run, worker: str) -> None:
    """Let others have the run's lease."""
    Run.objects.filter(pk=run.pk, worker=worker).update(lease_until=None)
