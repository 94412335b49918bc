"""One engagement played for all tests of a module: the folder is made by the module's own `folder` function."""

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from loads.models import Run
from tests import database, snapshots
from tests.playing import Played, collect, engagement_on, play
from tests.spine import going_on, test_held_records, together
from tests.spine.test_load_engine import Prepared, with_a_run_done

_played: dict[tuple[str, ...], Played] = {}
_told: dict[str, Any] = {}


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, django_db_setup, django_db_blocker, tmp_path_factory) -> Played:
    """What came of playing the module's folder, with those of the modules that it is played together with; played by the first who asks.

    A module may name ids to ASK for, objects to LEAVE, OPTIONS, DOCUMENTS and SANDBOX_ONLY.
    """
    key = together.names(request.module.__name__)
    if key not in _played:
        modules = [importlib.import_module(name) for name in key]
        with django_db_blocker.unblock():
            _played[key] = play(
                together.folder(tmp_path_factory.mktemp("source"), modules),
                tmp_path_factory.mktemp("work"),
                together.ask(modules),
                together.leave(modules),
                documents=any(getattr(one, "DOCUMENTS", False) for one in modules),
                sandbox_only=all(getattr(one, "SANDBOX_ONLY", False) for one in modules),
                **together.options(modules),
            )
    return _played[key]


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest, django_db_setup, django_db_blocker, tmp_path_factory) -> Any:
    """What the module's story came to, told with those of the modules that it is played together with; by the first who asks.

    One of the modules may `tell` it in a way of its own.

    story: a generator that begins once the first run is done, is given the second one where it yields, and then yields what it saw; of a
    module without one it is what stands after the first run.
    """
    name = request.module.__name__
    if name not in _told:
        modules = [importlib.import_module(one) for one in together.names(name)]
        with django_db_blocker.unblock():
            folder, work = together.folder(tmp_path_factory.mktemp("source"), modules), tmp_path_factory.mktemp("work")
            telling = next((one.tell for one in modules if hasattr(one, "tell")), tell)
            _told.update(telling(folder, work, modules))
    return _told[name]


def tell(folder: Path, work: Path, modules: Sequence[ModuleType]) -> dict[str, Any]:
    """Load, have each story do its part, move time on at the source, load again, and hear what each says; by the module's name."""
    try:
        with engagement_on(folder, work, **together.options(modules)) as (engagement, cast, servers):
            prepared = Prepared(engagement, cast, servers, together.leave(modules))
            first = prepared.finish(prepared.open())
            stories = {one.__name__: getattr(one, "story", _stands)(prepared, first) for one in modules}
            for story in stories.values():
                next(story)
            servers.advance("iterable")
            prepared.prepare()
            second = prepared.finish(prepared.open())
            return {name: story.send(second) for name, story in stories.items()}
    finally:
        database.empty()


def _stands(prepared: Prepared, first: Run) -> Iterator[Played | None]:
    found = collect(prepared.engagement, prepared.servers)
    yield None
    yield found


@pytest.fixture(scope="module")
def held(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Prepared]:
    """An engagement whose first run held records, for what the module plays once; the database is the module's own."""
    with django_db_blocker.unblock():
        try:
            with snapshots.put_back(with_a_run_done, test_held_records.folder, tmp_path_factory.mktemp("work"), after=Prepared) as held:
                yield held
        finally:
            database.empty()


@pytest.fixture(scope="module")
def loaded_twice(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[going_on.Twice]:
    """An engagement after its second run, for what the module plays once; the database is the module's own."""
    with django_db_blocker.unblock():
        try:
            with snapshots.put_back(going_on.Twice, going_on.folder, tmp_path_factory.mktemp("work"), departed="deactivate") as twice:
                yield twice
        finally:
            database.empty()


@pytest.fixture(scope="module")
def decided(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[going_on.Twice]:
    """The same after a third run, for which modules decided what the second one asked."""
    with django_db_blocker.unblock():
        work, options = tmp_path_factory.mktemp("work"), {"departed": "deactivate"}
        try:
            with snapshots.put_back(going_on.decided, going_on.folder, work, after=going_on.Twice, **options) as decided:
                yield decided
        finally:
            database.empty()
