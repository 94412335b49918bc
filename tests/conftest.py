"""What every test shares: a database, folders of its own, documents only where asked for, pages without TLS, tasks carried out at once."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import TransactionTestCase, override_settings
from django_q.conf import Conf
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests import database
from tests.spine import together

# Modules that take longest, of few tests each: begun first, so that no process is left with one when the others are done.
LONGEST = (
    "spine/test_killed_steps.py", "spine/test_hostile_objects.py", "spine/test_rollback.py", "privacy/test_purge_and_erasure.py",
    "spine/test_meanwhile.py", "hypercare/test_story.py", "spine/test_iterable_objects.py", "spine/test_leaving.py",
    "spine/test_late_lookups.py", "spine/test_delta.py", "spine/test_objects_again.py", "spine/test_bad_input.py",
    "browser/test_pages.py", "spine/test_nodes.py", "spine/test_chosen_tables.py", "spine/",
)  # fmt: skip
COLLECTING = (50_000, 20, 100)  # of gc.set_threshold


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest modules first; the others as they were."""
    items.sort(key=lambda item: next((place for place, name in enumerate(LONGEST) if f"tests/{name}" in item.nodeid), len(LONGEST)))


def pytest_collection_finish() -> None:
    """What is loaded by now is never garbage, and looking through it again and again would take a tenth of the time."""
    gc.freeze()
    gc.set_threshold(*COLLECTING)


def pytest_unconfigure() -> None:
    """Libraries that watch over their own objects see them go."""
    gc.unfreeze()


class ByPlay(LoadFileScheduling):
    """Each module is one process's, with those that are played together with it."""

    def _split_scope(self, nodeid: str) -> str:
        module, *_ = together.names(super()._split_scope(nodeid).removesuffix(".py").replace("/", "."))
        return module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByPlay:
    """How the tests are shared out among the processes."""
    return ByPlay(config, log)


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
