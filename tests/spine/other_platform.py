"""A platform with what none of today's has: lookups to rows that come later, files, deals that end otherwise than won.

Its modules share one engagement. Each puts what is its own into the plan, has records landed, and tells a story.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from connectors import landing
from connectors.models import Dataset
from loads.models import Run
from mapping import plan, playbooks
from tests import database
from tests.playing import engagement_on
from tests.spine import together
from tests.spine.taking_back import Loaded, differences
from tests.spine.test_load_engine import Prepared
from workbench.engagements.models import Engagement
from workbench.pipeline.models import Step


class Other(Loaded):
    """Its engagement. later: whether time has moved on at the source."""

    def __init__(self, engagement, cast, servers, modules: Sequence[ModuleType]) -> None:
        self.modules, self.later = modules, False
        Prepared.__init__(self, engagement, cast, servers, together.leave(modules))

    def open(self) -> Run:
        landed = {name: self.land(name, rows).pk for name, rows in self.records().items()}
        run = super().open()
        run.datasets |= landed
        run.save(update_fields=["datasets"])
        return run

    def land(self, object_name: str, rows: list[dict[str, Any]]) -> Dataset:
        dataset = landing.open_dataset(engagement=self.engagement, object_name=object_name, purpose=Dataset.Purpose.LOAD)
        landing.land_piece(dataset, "all", map(orjson.dumps, rows), lambda record: record["id"])
        return landing.seal(dataset)

    def records(self) -> dict[str, list[dict[str, Any]]]:
        """What its connector would land, by object."""
        return reduce(dict.__or__, (one.records(self) for one in self.modules if hasattr(one, "records")))


@contextmanager
def played_by(modules: Sequence[ModuleType], work: Path) -> Iterator[None]:
    """Playbook and maps are that platform's."""
    built, [rules] = plan.BUILDERS["maps"], [one.playbooks_in for one in modules if hasattr(one, "playbooks_in")]

    def extended(engagement: Engagement) -> dict[str, Any]:
        return reduce(lambda content, one: one.extended(content), (one for one in modules if hasattr(one, "extended")), built(engagement))

    playbooks.load_playbook.cache_clear()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(playbooks, "FOLDER", rules(work))
        patched.setitem(plan.BUILDERS, "maps", extended)
        yield
    playbooks.load_playbook.cache_clear()


def tell(folder: Path, work: Path, modules: Sequence[ModuleType]) -> dict[str, Any]:
    """Load; load again what changed since; take both back, the second first; and load once more what is the first module's.

    story: a generator that begins before anything is staged, is then given the run that is staged, the same once it is loaded, the second
    one, what differs from before once that is taken back, nothing once both are, and the last run, and then yields what it saw.
    """
    try:
        going = list(modules)
        with played_by(going, work), engagement_on(folder, work, **together.options(modules)) as begun:
            other = Other(*begun, going)
            stories = {one.__name__: one.story(other) for one in modules}

            def go_on(given: Any = None) -> dict[str, Any]:
                return {name: story.send(given) for name, story in stories.items()}

            go_on()
            first = other.finish_staging()
            go_on(first)
            go_on(other.finish(first))
            before, other.later = other.everything(), True
            other.servers.advance("iterable")
            other.take(Step.Name.EXTRACT)
            second = other.load()
            go_on(second)
            other.take_back(second)
            go_on(differences(other.everything(), before))
            other.take_back(first)
            go_on()
            del going[1:]  # what the other modules brought is left out from here on
            other.leave = together.leave(going)
            other.sign()
            other.take(Step.Name.PROVISION, other.sandbox)
            return go_on(other.load())
    finally:
        database.empty()
