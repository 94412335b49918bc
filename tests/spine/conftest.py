"""One engagement played for all tests of a module: the folder is made by the module's own `folder` function."""

from collections.abc import Iterator

import pytest

from tests.playing import Played, play


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
