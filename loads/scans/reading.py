"""Scans: offered by whoever needs rows of the destination whole, read by any number of workers a step at a time.

A scan is a part of them: the rows that a filter finds, page by page along the service's next links, or those of a list of ids. A step ends
with what is kept of its rows as a file in the store, and with where the next one begins, in the database: a task that is killed in the
middle costs one step.
"""

import math
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from django.db.models import Count, Q
from django.db.models.functions import Now

from connectors import store
from connectors.dataverse.client import Client
from connectors.dataverse.errors import DataverseRefused
from connectors.dataverse.metadata import Table
from loads import staged
from loads.destination import Destination
from loads.flight import Underway
from loads.leases import LEASE
from loads.ledger import LeaseLost
from loads.models import Phase, Run, Scan
from loads.scans.forms import FORMS

PAGE = 5_000  # rows, the most that the service gives at once
STEP_S = 5.0  # after so long a step ends with the page in hand
LIST_PART = 20_000  # ids of a list that one scan looks up
LOOKED_UP = 2_000  # of them at once


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows of a table that are to be read.

    name: what they are read for, once in a run. columns: beside the primary key. form: of FORMS, what is kept of them; '' where they are
    counted alone. filters: one for each scan; every row is found by one of them and no other. ids: in place of filters the name of a file
    of the run's folder with a column row_id; those of its rows that exist are read.
    """

    name: str
    table: str
    columns: Sequence[str] = ()
    form: str = ""
    filters: Sequence[str] = ("",)
    ids: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step read. following: where the next one begins, '' where there is none. file: what is kept, '' where nothing is.

    refused: the service doesn't know any more where it was to go on.
    """

    rows: int = 0
    following: str = ""
    file: str = ""
    refused: DataverseRefused | None = None


Pages = Iterator[tuple[list[dict[str, Any]], str]]  # rows, and where the next page begins


def take_step(client: Client, table: Table, wanted: Wanted, number: int, following: str, folder: Path) -> Step:
    """Read pages of a scan for about STEP_S, at least one. Asks the database nothing. Raises what the service or the store raises."""
    pages = _listed(client, table, wanted, number, following, folder) if wanted.ids else _paged(client, table, wanted, following)
    name = f"scan-{wanted.name}.{number:05d}.{uuid.uuid4().hex}.parquet" if wanted.form else ""
    until, rows = time.monotonic() + STEP_S, 0
    try:
        with ExitStack() as stack:
            form = FORMS[wanted.form] if wanted.form else None
            read = form.reader(table, wanted.columns) if form else None
            file = stack.enter_context(store.ParquetFile(folder / name, form.schema)) if form else None
            for page, after in pages:
                rows += len(page)
                for values in filter(None, map(read, page)) if read else ():
                    if file:
                        file.add(*values)
                if not after or time.monotonic() >= until:
                    return Step(rows, after, name)
    except DataverseRefused as refused:
        if not following:
            raise
        return Step(refused=refused)
    raise AssertionError("A scan has one page at least.")


def _paged(client: Client, table: Table, wanted: Wanted, following: str) -> Pages:
    select, [wish] = [table.primary_id, *wanted.columns], wanted.filters
    while True:
        rows, following = client.page(table.entity_set, select=select, filter=wish or None, page_size=PAGE, following=following)
        yield rows, following


def _listed(client: Client, table: Table, wanted: Wanted, number: int, following: str, folder: Path) -> Pages:
    path, select = folder / wanted.ids, [table.primary_id, *wanted.columns]
    stop = min((number + 1) * LIST_PART, store.row_count(path))
    for start in range(int(following or number * LIST_PART), max(stop, 1), LOOKED_UP):
        after = min(start + LOOKED_UP, stop)
        ids = [row["row_id"] for row in store.read_rows(path, start=start, stop=after, columns=["row_id"])]
        yield list(client.retrieve(table.entity_set, table.primary_id, ids, select)), str(after) if after < stop else ""


def is_read(run: Run, wanted: Wanted, phase: Phase | None = None) -> bool:
    """Whether all of it was read; what isn't is offered to the run's workers, who read it before they do anything else.

    phase: whose end alone waits for it.
    """
    done = set(Scan.objects.filter(run=run, name=wanted.name).order_by().values_list("done", flat=True).distinct())
    if not done:
        Scan.objects.bulk_create(_parts(run, wanted, phase), batch_size=500, ignore_conflicts=True)
    return done == {True}


def _parts(run: Run, wanted: Wanted, phase: Phase | None) -> Iterator[Scan]:
    ids = store.row_count(staged.folder(run) / wanted.ids) if wanted.ids else 0
    filters = [""] * max(1, math.ceil(ids / LIST_PART)) if wanted.ids else wanted.filters
    for number, wish in enumerate(filters):
        yield Scan(run=run, phase=phase, name=wanted.name, number=number, wanted=asdict(replace(wanted, filters=[wish])))


def files(run: Run, *names: str) -> list[str]:
    """The files with what was kept of the rows of these names."""
    found = Scan.objects.filter(run=run, name__in=names).order_by("name", "number").values_list("files", flat=True)
    return [str(staged.folder(run) / file) for kept in found for file in kept]


def counted(run: Run, name: str) -> int:
    """How many rows were read of a name."""
    return sum(Scan.objects.filter(run=run, name=name).values_list("rows", flat=True))


def list_name(name: str) -> str:
    """What the file of ids is called that belongs to a name."""
    return f"scan-{name}.ids.parquet"


def forget(run: Run, *names: str) -> None:
    """Let go of what was read of these names: who wants it again reads anew."""
    Scan.objects.filter(run=run, name__in=names).delete()
    for name in names:
        for path in store.named(staged.folder(run), f"scan-{name}."):
            path.unlink(missing_ok=True)


def unread(run: Run) -> dict[int | None, int]:
    """The phases for whose end there is anything left to read, by their keys, with how many scans nobody reads.

    None is for what the run does next.
    """
    free = Count("pk", filter=Q(lease_until=None) | Q(lease_until__lt=Now()))
    return dict(Scan.objects.filter(run=run, done=False).order_by().values_list("phase_id").annotate(free=free))


def claim_next(run: Run, worker: str, phase: Phase | None = None) -> Scan | None:
    """Lease the next scan that nobody reads, see `unread`; None where there is none."""
    while True:
        free = Q(done=False) & (Q(lease_until=None) | Q(lease_until__lt=Now()))
        scan = Scan.objects.filter(free, run=run, phase=phase).order_by("pk").first()
        if scan is None:
            return None
        as_seen = Scan.objects.filter(free, pk=scan.pk, rows=scan.rows, following=scan.following)  # nobody read on meanwhile
        if as_seen.update(worker=worker, lease_until=Now() + LEASE):
            scan.worker, scan.run = worker, run
            return scan


def renew(ids: Collection[int], worker: str) -> int:
    """Keep a worker's scans; how many of them are still its own."""
    return Scan.objects.filter(pk__in=ids, worker=worker, done=False).update(lease_until=Now() + LEASE)


def give_back(worker: str) -> None:
    """Let others have what a worker holds."""
    Scan.objects.filter(worker=worker, done=False).update(lease_until=None)


def begin(scan: Scan, destination: Destination, worker: str) -> Underway:
    """One step of a scan. Settling raises LeaseLost where another worker took it over."""
    wanted, table = Wanted(**scan.wanted), destination.table(scan.wanted["table"])
    folder = staged.folder(scan.run)

    def job(client: Client) -> list[Step]:
        return [take_step(client, table, wanted, scan.number, scan.following, folder)]

    return Underway(scan, [job], lambda underway: _settle(scan, worker, underway.results[0]))


def _settle(scan: Scan, worker: str, step: Step) -> None:
    """Keep what a step read. Where the service refused to go on, the scan begins anew when it is next read. Raises LeaseLost."""
    kept: Mapping[str, Any] = {"following": "", "files": [], "rows": 0}
    if step.refused is None:
        files = [*scan.files, step.file] if step.file else scan.files
        kept = {"following": step.following, "files": files, "rows": scan.rows + step.rows, "done": not step.following}
    held = Scan.objects.filter(pk=scan.pk, worker=worker, done=False)
    if not held.update(**kept, lease_until=None):
        raise LeaseLost(f"{scan} belongs to another worker now.")
    if step.refused is not None:
        raise step.refused


def read_here(run: Run, destination: Destination, worker: str) -> None:
    """Read all that is offered for what the run does next and nobody reads, a step after the other. Raises what the service raises."""
    while scan := claim_next(run, worker):
        underway = begin(scan, destination, worker)
        for job in underway.jobs:
            underway.results += job(destination.client)
        underway.settle(underway)
