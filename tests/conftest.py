"""What every test shares: a database, folders of its own, documents only where asked for, pages without TLS, tasks carried out at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import TransactionTestCase, override_settings
from django_q.conf import Conf

from tests import database


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker) -> Iterator[None]:
    """One database for each process, emptied after every test that commits; in place of what pytest-django and Django do."""
    with django_db_blocker.unblock(), database.made(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(TransactionTestCase, "_fixture_teardown", lambda test: database.empty())
        with django_db_blocker.block():
            yield


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """A password hash that costs nothing."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


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
