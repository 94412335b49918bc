"""Staging: from landed records and the signed plan to rows in load order, an object at a time."""

from collections.abc import Callable, Mapping

from loads.destination import Destination
from loads.models import Run
from loads.staging import companies, persons
from loads.staging.context import StagingContext

# In load order: what others look up to comes first.
STAGERS: Mapping[str, Callable[[StagingContext], bool]] = {companies.OBJECT: companies.stage, persons.OBJECT: persons.stage}


def stage_next(run: Run, destination: Destination, worker: str) -> bool:
    """Do the next part of staging; False where all objects are staged. A part that was cut off is done again from its start."""
    left = [name for name in STAGERS if name not in run.staged]
    if left:
        STAGERS[left[0]](StagingContext(run, destination, worker))
    return bool(left)
