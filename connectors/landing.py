"""Landing: raw records into immutable datasets, exactly as the source said them, one Parquet file per slice.

A line that isn't one JSON object is a record too: it is kept with its `problem` and rejected later, never dropped.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from connectors import rawjson, store
from connectors.models import Dataset, Piece
from workbench.engagements.errors import Retryable, WorkbenchError
from workbench.engagements.models import Engagement

# A record's own id, or the hash of its canonical JSON where it has none.
Identify = Callable[[dict[str, Any]], str]


class Forget(Protocol):
    """Knows which records name somebody who was erased, and what is landed in the place of one."""

    def names(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is of such a person, or belongs to one."""

    def instead(self, record: Mapping[str, Any], key: str, raw: bytes) -> tuple[bytes, str, bytes]:
        """(what is landed, its id, its content's hash): who it was can't be told from them. key: the record's id."""


# row: the record's place in its piece, from 0.
# content: SHA-1 of the bytes, which tells equal pairs of overlapping slices from two versions of one record.
RAW = pa.schema(
    [
        ("row", pa.int64()),
        ("source_id", pa.string()),
        ("content", pa.binary(20)),
        ("raw", pa.binary()),
        ("problem", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Landed:
    """One landed record: its place in the dataset, its id, the source's bytes, and what is wrong with them, if anything."""

    position: int
    source_id: str
    raw: bytes
    problem: str | None


class DatasetSealed(WorkbenchError):
    """A sealed dataset never changes."""

    remedy = "Start a new extraction."


class DatasetOpen(WorkbenchError):
    """A dataset that is still being landed can't be read as if it were whole."""

    remedy = "Let the extraction finish, or start it again: it goes on from the last complete slice."


class LandedMeanwhile(Retryable):
    """Two workers landed the same slice; the first one's records stand."""

    remedy = "Start the step again: it goes on after the last complete slice."


def folder_of(dataset: Dataset) -> Path:
    """The dataset's folder in the store."""
    return store.folder(dataset.engagement.slug, "landed", f"{dataset.object_name}-{dataset.pk}")


def files(dataset: Dataset) -> list[Path]:
    """The dataset's Parquet files, in slice order. Raises DatasetOpen."""
    if dataset.state != Dataset.State.SEALED:
        raise DatasetOpen(f"{dataset} isn't complete.")
    return slices_of(dataset)


def slices_of(dataset: Dataset) -> list[Path]:
    """The files that are there, in slice order, also of a dataset that is still being landed."""
    return sorted(folder_of(dataset).glob("*.parquet"))


def parse(raw: bytes) -> tuple[dict[str, Any] | None, str | None]:
    """(record, None), or (None, what is wrong with the line)."""
    try:
        value = rawjson.read(raw)
    except (ValueError, RecursionError) as error:
        return None, "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "not JSON"
    return (value, None) if isinstance(value, dict) else (None, "not a JSON object")


def clean_id(text: str) -> str:
    """An id that every store takes: no NUL, no lone surrogate, and over 200 characters its SHA-1."""
    text = text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text if len(text) <= 200 else "sha1:" + hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def open_dataset(
    *, engagement: Engagement, object_name: str, purpose: str, derived: bool = False, base: Dataset | None = None, origin: str = ""
) -> Dataset:
    """The unfinished dataset of this object and purpose, so that a second try goes on; a new one where there is none.

    base: the complete dataset that it carries unchanged records over from; an unfinished one on another base is removed.
    """
    found = None
    for unfinished in Dataset.objects.filter(engagement=engagement, object_name=object_name, purpose=purpose, state=Dataset.State.OPEN):
        if unfinished.base_id == (base and base.pk):
            found = found or unfinished
        else:
            store.remove(folder_of(unfinished))
            unfinished.delete()
    given: dict[str, Any] = {"derived": derived, "base": base, "origin": origin}
    return found or Dataset.objects.create(engagement=engagement, object_name=object_name, purpose=purpose, **given)


# Records that are carried over come first, since of two versions of one record the later in the dataset stands.
CARRIED = 10_000
NEWEST_FIRST = ("-started_at", "-pk")
Stamp = Callable[[dict[str, Any]], datetime | None]


def land_piece(
    dataset: Dataset,
    name: str,
    lines: Iterable[bytes],
    identify: Identify,
    stamp: Stamp = lambda _: None,
    *,
    forget: Forget | None = None,
    landed: int | None = None,
) -> Piece:
    """Write one slice whole and record it; a slice that is there already is left as it is. Memory holds one batch.

    stamp: the moment of a record that the source filters by. forget: of whom was erased nothing is landed but that there is a record.
    landed: how many slices are there, where the caller knows that this one isn't.
    """
    if dataset.state == Dataset.State.SEALED:
        raise DatasetSealed(f"{dataset} is sealed.")
    if landed is None:
        if done := dataset.pieces.filter(name=name).first():
            return done
        landed = dataset.pieces.count()
    started, number, bad = timezone.now(), landed + 1 + (CARRIED if dataset.base_id else 0), 0
    newest: datetime | None = None
    with store.ParquetFile(folder_of(dataset) / f"{number:05d}.parquet", RAW) as file:
        for row, raw in enumerate(lines):
            record, problem = parse(raw)
            digest = hashlib.sha1(raw, usedforsecurity=False).digest()
            key = clean_id(identify(record)) if record is not None else f"sha1:{digest.hex()}"
            if forget and record is not None and forget.names(record):
                raw, key, digest = forget.instead(record, key, raw)
            file.add(row, key, digest, raw, problem)
            bad += problem is not None
            moment = stamp(record) if record is not None else None
            if moment is not None and moment <= dataset.started_at and (newest is None or moment > newest):
                newest = moment
        seconds = (timezone.now() - started).total_seconds()
        counts = {"rows": file.rows, "bad_rows": bad, "seconds": seconds, "newest_at": newest}
        return _keep(file, Piece(dataset=dataset, number=number, name=name, **counts))


def carry_piece(dataset: Dataset, piece: Piece, positions: Iterable[int], first: int) -> Piece:
    """Copy the records at these positions (rising) of a slice of another dataset, whose own first position is `first`."""
    name = f"{piece.dataset_id}/{piece.number}"
    if done := dataset.pieces.filter(name=name).first():
        return done
    number, bad = dataset.pieces.filter(number__lt=CARRIED).count() + 1, 0
    with store.ParquetFile(folder_of(dataset) / f"{number:05d}.parquet", RAW) as file:
        wanted = iter(positions)
        following = next(wanted, None)
        for position, row in enumerate(store.read_rows(path_of(piece)), start=first):
            if position == following:
                file.add(file.rows, *(row[column] for column in RAW.names[1:]))
                bad += row["problem"] is not None
                following = next(wanted, None)
        counts = {"rows": file.rows, "bad_rows": bad, "newest_at": piece.newest_at}
        return _keep(file, Piece(dataset=dataset, number=number, name=name, **counts))


def link_piece(dataset: Dataset, piece: Piece) -> Piece:
    """Take a slice of another dataset over as it is: the file is the same one where the store can link, else a copy."""
    name = f"{piece.dataset_id}/{piece.number}"
    if done := dataset.pieces.filter(name=name).first():
        return done
    number = dataset.pieces.filter(number__lt=CARRIED).count() + 1
    store.link(path_of(piece), folder_of(dataset) / f"{number:05d}.parquet")
    counts = {"rows": piece.rows, "bad_rows": piece.bad_rows, "newest_at": piece.newest_at}
    return Piece.objects.create(dataset=dataset, number=number, name=name, **counts)


def path_of(piece: Piece) -> Path:
    """The file of a slice."""
    return folder_of(piece.dataset) / f"{piece.number:05d}.parquet"


def _keep(file: store.ParquetFile, piece: Piece) -> Piece:
    """Record the piece, then let its file appear: where another worker landed the slice meanwhile, its file stays as it is."""
    try:
        with transaction.atomic():
            piece.save(force_insert=True)
            file.keep()
    except IntegrityError as error:
        raise LandedMeanwhile(f"Another worker landed {piece.name}.") from error
    return piece


def thin(dataset: Dataset, passes: Callable[[bytes], bool]) -> None:
    """Leave only the records that pass in an unsealed dataset, slice by slice; safe to repeat. Raises DatasetSealed."""
    if dataset.state == Dataset.State.SEALED:
        raise DatasetSealed(f"{dataset} is sealed.")
    for piece in dataset.pieces.all():
        path, bad = folder_of(dataset) / f"{piece.number:05d}.parquet", 0
        with store.ParquetFile(path, RAW) as file:
            for row in store.read_rows(path):
                if passes(row["raw"]):
                    file.add(*(row[name] for name in RAW.names))
                    bad += row["problem"] is not None
        piece.rows, piece.bad_rows = file.rows, bad
        piece.save(update_fields=["rows", "bad_rows"])


@transaction.atomic
def seal(dataset: Dataset) -> Dataset:
    """Close the dataset for good: count what stands once and hash the files."""
    paths = slices_of(dataset)
    filled = [piece for piece in dataset.pieces.all() if piece.rows]
    alone = sum(piece.rows for piece in filled), sum(piece.bad_rows for piece in filled), 0
    dataset.rows, dataset.bad_rows, dataset.repeated_rows = _counts(paths) if len(filled) > 1 else alone  # nothing to overlap
    dataset.size = sum(path.stat().st_size for path in paths)
    dataset.sha256 = store.file_hash(paths)
    dataset.state, dataset.sealed_at, dataset.memory = Dataset.State.SEALED, timezone.now(), {}
    dataset.save(update_fields=["rows", "bad_rows", "repeated_rows", "size", "sha256", "state", "sealed_at", "memory"])
    return dataset


def reseal(dataset: Dataset) -> None:
    """Keep the size and the hash of files of which an erasure took something out; the counts stay."""
    if dataset.state == Dataset.State.SEALED:
        paths = slices_of(dataset)
        size = sum(path.stat().st_size for path in paths)
        Dataset.objects.filter(pk=dataset.pk).update(size=size, sha256=store.file_hash(paths))


def _counts(paths: list[Path]) -> tuple[int, int, int]:
    with store.reader() as con:
        [(total, kept, bad)] = con.execute(
            f"SELECT count(*), count(*) FILTER (first), count(problem) FILTER (first) FROM ({_marked(paths)})"  # noqa: S608 - our own paths
        ).fetchall()
    return kept, bad, total - kept


def _marked(paths: list[Path]) -> str:
    """SQL: every row with `first`, false where an earlier slice gave the same record: equal id, occurrence and content.

    The occurrence is 1 for the first record of an id within a slice, then 2, ...: a record that one slice gives twice is two.
    """
    names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"""
        SELECT filename, row, source_id, problem,
               row_number() OVER (PARTITION BY source_id, occurrence, content ORDER BY filename, row) = 1 AS first
        FROM (SELECT filename, row, source_id, content, problem,
                     row_number() OVER (PARTITION BY filename, source_id ORDER BY row) AS occurrence
              FROM read_parquet([{names}], filename = true))"""  # noqa: S608 - paths are our own


def standing(dataset: Dataset) -> str:
    """SQL of (position, source_id, problem) of the records that stand once, as `scan` gives them; '' of a dataset without a file."""
    paths = files(dataset)
    if not paths:
        return ""
    place = "row_number() OVER (ORDER BY filename, row) - 1 AS position"
    return f"SELECT position, source_id, problem FROM (SELECT {place}, source_id, problem, first FROM ({_marked(paths)})) WHERE first"  # noqa: S608 - paths are our own


def repeated_positions(dataset: Dataset) -> set[int]:
    """Positions (place in the whole dataset, from 0) of records that an earlier slice already gave."""
    if not dataset.repeated_rows:
        return set()
    with store.reader() as con:
        found = con.execute(
            f"""SELECT position FROM (SELECT row_number() OVER (ORDER BY filename, row) - 1 AS position, first
                FROM ({_marked(files(dataset))})) WHERE NOT first"""  # noqa: S608 - paths are our own
        ).fetchall()
    return {position for (position,) in found}


def scan(dataset: Dataset, start: int = 0, stop: int | None = None) -> Iterator[Landed]:
    """Records that stand once, in the order of the export, at positions `start` to `stop` (not included).

    Memory holds one row group; what lies before `start` isn't read.
    """
    again, first = repeated_positions(dataset), 0
    for path in files(dataset):
        size = store.row_count(path)
        if first + size > start and (stop is None or first < stop):
            begin, end = max(start - first, 0), size if stop is None else min(stop - first, size)
            rows = store.read_rows(path, start=begin, stop=end, columns=["source_id", "raw", "problem"])
            for position, row in enumerate(rows, start=first + begin):
                if position not in again:
                    yield Landed(position, row["source_id"], row["raw"], row["problem"])
        first += size


def at(dataset: Dataset, position: int) -> Landed | None:
    """The record at a position, read from its row group alone; None where the dataset ends before it."""
    first = 0
    for path in files(dataset):
        size = store.row_count(path)
        if position < first + size:
            place = position - first
            [row] = store.read_rows(path, start=place, stop=place + 1, columns=["source_id", "raw", "problem"])
            return Landed(position, row["source_id"], row["raw"], row["problem"])
        first += size
    return None


def positions(dataset: Dataset) -> int:
    """Places in the dataset, those of repeated records too: the `stop` of a whole scan."""
    return sum(store.row_count(path) for path in files(dataset))


def records(dataset: Dataset) -> Iterator[dict[str, Any]]:
    """The parsed records of a small dataset, such as lists or channels, in order; bad lines left out."""
    for landed in scan(dataset):
        if landed.problem is None:
            record, _ = parse(landed.raw)
            if record is not None:
                yield record


def latest(engagement: Engagement, object_name: str, purpose: str) -> Dataset | None:
    """The newest sealed dataset of this object and purpose."""
    return _sealed(engagement, purpose).filter(object_name=object_name).order_by(*NEWEST_FIRST).first()


def newest(engagement: Engagement, object_names: Collection[str] | None = None, *, purpose: str) -> dict[str, Dataset]:
    """The newest sealed dataset of each of these objects, of all for None, that has one of this purpose."""
    sealed = _sealed(engagement, purpose)
    of_object = sealed.filter(object_name=OuterRef("object_name")).order_by(*NEWEST_FIRST)
    found = sealed.filter(pk=Subquery(of_object.values("pk")[:1]))
    if object_names is not None:
        found = found.filter(object_name__in=object_names)
    return {dataset.object_name: dataset for dataset in found.order_by()}


def _sealed(engagement: Engagement, purpose: str) -> QuerySet[Dataset]:
    return Dataset.objects.filter(engagement=engagement, purpose=purpose, state=Dataset.State.SEALED).select_related("engagement")
