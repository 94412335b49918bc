"""One engagement played for all tests of a module: the folder is made by the module's own `folder` function."""

import importlib
from collections.abc import Iterator

import pytest

from tests import database
from tests.playing import Played, engagement_on, play
from tests.spine import together
from tests.spine.test_load_engine import Prepared

_played: dict[tuple[str, ...], Played] = {}


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, django_db_setup, django_db_blocker, tmp_path_factory) -> Played:
    """What came of playing the module's folder, with those of the modules that it is played together with; played by the first who asks.

    A module may name ids to ASK for, objects to LEAVE, OPTIONS, DOCUMENTS and SANDBOX_ONLY.
    """
    key = together.names(request.module.__name__)
    if key not in _played:
        modules = [importlib.import_module(name) for name in key]
        with django_db_blocker.unblock():
            folder, work = together.folder(tmp_path_factory.mktemp("source"), modules), tmp_path_factory.mktemp("work")
            _played[key] = play(folder, work, **together.wanted(modules))
    return _played[key]


@pytest.fixture(scope="module")
def prepared_alone(request: pytest.FixtureRequest, django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Prepared]:
    """An engagement on the module's folder, for what the module plays once; the database is the module's own."""
    with django_db_blocker.unblock():
        try:
            folder, work = request.module.folder(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("work")
            with engagement_on(folder, work) as (engagement, cast, servers):
                yield Prepared(engagement, cast, servers)
        finally:
            database.empty()
