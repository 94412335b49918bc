"""One engagement played for all tests of a module: the folder is made by the module's own `folder` function."""

from collections.abc import Iterator

import pytest

from tests import database
from tests.playing import Played, engagement_on, play
from tests.spine.test_load_engine import Prepared


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Played]:
    """What came of playing the module's folder; it may name ids to ASK for, objects to LEAVE, OPTIONS, DOCUMENTS and SANDBOX_ONLY."""
    module = request.module
    with django_db_blocker.unblock():
        folder = module.folder(tmp_path_factory.mktemp("source"))
        named = {name: getattr(module, name, None) for name in ("ASK", "LEAVE", "OPTIONS")}
        wanted = {name.lower(): getattr(module, name, False) for name in ("DOCUMENTS", "SANDBOX_ONLY")}
        options = {**wanted, **(named["OPTIONS"] or {})}
        yield play(folder, tmp_path_factory.mktemp("work"), named["ASK"], named["LEAVE"] or (), **options)


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
