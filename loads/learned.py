"""Sizes of calls that were learned, kept per environment: a new worker begins there, and each task hears what the others learned."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from loads.models import CallSize
from loads.tuning import RowsPerCall, known, rows_per_call
from workbench.engagements.models import Environment

OLD = timedelta(days=1)  # the environment may be another one by then: more or less at once is tried again
DECIDED = ("best", "least", "most", "said")  # what is worth a write; averages go along


class Learned:
    """What a worker's task learns and hears of an environment's calls."""

    def __init__(self, environment: Environment, address: str) -> None:
        """Begin with what was learned so far. address: of the service."""
        self._environment, self._address = environment, address
        now = timezone.now()
        for kept in CallSize.objects.filter(environment=environment):
            rows_per_call(address, kept.table, kept.kind).take_up(kept.learned, old=now - kept.at > OLD)
        self._told = {(table, kind): _decided(size) for table, kind, size in known(address)}

    def keep(self) -> None:
        """Tell the others what was decided since it was last told."""
        for table, kind, size in known(self._address):
            decided = _decided(size)
            if decided and self._told.get((table, kind)) != decided:
                self._told[table, kind] = decided
                values = {"learned": size.learned(), "at": timezone.now()}
                CallSize.objects.update_or_create(environment=self._environment, table=table, kind=kind, defaults=values)


def _decided(size: RowsPerCall) -> dict[str, Any]:
    learned = size.learned()
    return {name: learned[name] for name in DECIDED if name in learned}
