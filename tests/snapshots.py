"""An engagement that was brought to some point once, put back to it for each test: database, store and simulators."""

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from django.conf import settings

from tests import database, playing, simulated
from workbench.engagements.models import Connection, Engagement


class Made(Protocol):
    """What knows an engagement at some point."""

    engagement: Engagement

    def back(self, engagement: Engagement, servers: simulated.Simulated) -> Self:
        """The same of an engagement that was put back, which is on other servers."""


Make = Callable[..., Made]  # of an engagement, its cast and its servers, or of what was made before
Write = Callable[[Path], Path]


@dataclass(frozen=True, slots=True)
class _Kept:
    """As it was made, with the folder of all files and the name that the rows of the database are kept under."""

    made: Made
    folder: Path
    name: str


_kept: dict[tuple[Any, ...], _Kept] = {}
_folders = tempfile.TemporaryDirectory(prefix="workbench-kept-")


@contextmanager
def put_back(
    make: Make, write: Write, work: Path, *, after: Make | None = None, killable: Collection[str] = (), **options: Any
) -> Iterator[Any]:
    """What `make` made of an engagement on the folder that `write` wrote, as if it had been made just now; made by the first who asks.

    make, write: functions or classes of a module, since what was made is found by them. after: what had made that which `make` goes on
    with, itself made once. killable, options: see `playing.engagement_on`; whatever may be killed, it is made but once.
    """
    key = (make, after, write, *sorted(options.items()))
    kept = _kept.get(key) or _kept.setdefault(key, _made(make, write, after, options))
    shutil.copytree(kept.folder, work, dirs_exist_ok=True)
    database.put_back(kept.name)
    given = {name: options[name] for name in ("application_users", "whole") if name in options}
    with playing.served(work / "source", work, state=work / "state", killable=killable, **given) as servers:
        engagement = Engagement.objects.get(pk=kept.made.engagement.pk)
        _connect(engagement, servers)
        yield kept.made.back(engagement, servers)


def _made(make: Make, write: Write, after: Make | None, options: dict[str, Any]) -> _Kept:
    folder = Path(tempfile.mkdtemp(dir=_folders.name))
    if after:
        with put_back(after, write, folder, **options) as before:
            made = make(before)
    else:
        with playing.engagement_on(write(folder / "source"), folder, state=folder / "state", **options) as begun:
            made = make(*begun)
    name = f"kept_{folder.name}"
    database.keep(name)
    return _Kept(made, folder, name)


def _connect(engagement: Engagement, servers: simulated.Simulated) -> None:
    """The engagement's connections lead to these servers."""
    addresses = {"sandbox": servers.dataverse_sandbox, "production": servers.dataverse}
    for environment in engagement.environments.all():
        connection = environment.connection
        connection.base_url = addresses[environment.kind]
        connection.settings["authority"] = servers.entra
        connection.save()
    Connection.objects.filter(engagement=engagement, kind=engagement.platform).update(base_url=servers.iterable)


_once: dict[tuple[str, str], tuple[database.Rows, Path]] = {}


@contextmanager
def made_once(told: str) -> Iterator[bool]:
    """Whether what the block makes in the database and the store is there already, as the first made it who told the same.

    told: all that it is made of besides the rows of the database. On SQLite, in an empty store; else it is made each time.
    """
    before, store = database.rows(), Path(settings.STORE_URL)
    if not before or store.exists():
        yield False
        return
    key = (told, database.likeness(before))
    if key in _once:
        rows, folder = _once[key]
        database.write(rows)
        shutil.copytree(folder, store)
        yield True
        return
    yield False
    folder = Path(_folders.name) / f"once_{len(_once)}"
    shutil.copytree(store, folder)
    after = database.rows()
    _once[key] = ({table: found for table, found in after.items() if found != before[table]}, folder)
