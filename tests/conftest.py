"""What every test shares: folders of its own, documents where they are asked for, pages without TLS, tasks carried out at once."""

from pathlib import Path

import pytest
from django_q.conf import Conf


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path: Path) -> None:
    """Nothing is written outside the test's own folder."""
    settings.VAR_DIR = tmp_path / "var"
    settings.STORE_URL = str(tmp_path / "store")
    settings.DOCUMENTS_AT_ONCE = False  # each takes a while; the tests of it turn it on


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue carries tasks out where they are queued, as django-q2's own sync mode does."""
    monkeypatch.setattr(Conf, "SYNC", True)
