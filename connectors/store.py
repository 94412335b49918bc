"""The store: where Parquet files lie. Names are made here from ids and known words, never from what a source said."""

import errno
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings

from workbench.engagements.errors import Retryable, WorkbenchError

if TYPE_CHECKING:  # it takes 15 MB, which a process that asks it nothing does without
    import duckdb

pa.set_memory_pool(pa.system_memory_pool())  # gives back what Arrow's own one keeps, 15 to 35 MB of a process, and is as fast
Item = TypeVar("Item")
ROWS_PER_GROUP = 5_000  # a chunk of the load reads one group or two, not the file
ROWS_AT_ONCE = 500  # that a reader of rows holds as Python's own values, beside the group
ABANDONED_S = 3_600  # no task lasts so long: an unfinished file untouched since then belongs to nobody
# EFBIG: a limit on the size of files, which a quota may be set as.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StoreFull(Retryable):
    """The store has no room; what was complete stays, the unfinished file was removed."""

    remedy = "Free space in the store's folder, then start the step again: it goes on from the last complete piece."


class StoreUnwritable(WorkbenchError):
    """The store's folder can't be written."""

    remedy = "Check STORE_URL and the rights of its folder."


def root() -> Path:
    """The store's folder."""
    return Path(urlsplit(settings.STORE_URL).path)


def folder(*parts: str) -> Path:
    """A folder of the store, made when missing."""
    path = root().joinpath(*parts)
    if not path.is_dir():
        with disk_errors():
            path.mkdir(parents=True, exist_ok=True)
    return path


def named(folder: Path, start: str, end: str = "") -> list[Path]:
    """What lies in a folder by how its name starts and ends; the pattern of a glob would be compiled anew for each of many names."""
    try:
        return [folder / name for name in os.listdir(folder) if name.startswith(start) and name.endswith(end)]
    except OSError:  # who writes there is told why not
        return []


@contextmanager
def disk_errors() -> Iterator[None]:
    """What goes wrong with the store's disk as an error of ours. Raises StoreFull, StoreUnwritable."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StoreFull("The store is full.") from error
        raise StoreUnwritable(f"The store can't be written: {error.strerror}.") from error


def part_of(path: Path) -> Path:
    """A name beside `path` that no other writer has, for the file while it is written; abandoned ones are cleared away."""
    for other in named(path.parent, f"{path.name}.", ".part"):
        with suppress(OSError):  # another writer may clear it at the same time
            if time.time() - other.stat().st_mtime > ABANDONED_S:
                other.unlink()
    return path.with_name(f"{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")


class ParquetFile:
    """A Parquet file that appears whole or not at all: written under a name of its own, renamed when complete.

    Any number of writers may write the same file at once: each writes its own, and the last one stands.
    Use as a context manager; `add` takes one value per column of the schema. Raises StoreFull, StoreUnwritable.
    """

    def __init__(self, path: Path, schema: pa.Schema, *, batch: int = ROWS_PER_GROUP) -> None:
        """Open the unfinished file."""
        self.path, self.schema, self.batch, self.rows = path, schema, batch, 0
        self._part, self._kept = part_of(path), False
        self._columns: list[list] = [[] for _ in schema]
        with disk_errors():
            self._writer = pq.ParquetWriter(self._part, schema, compression="zstd")

    def add(self, *values: object) -> None:
        """Append one row, a value per column."""
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
        self.rows += 1
        if len(self._columns[0]) >= self.batch:
            self._flush()

    def _flush(self) -> None:
        if self._columns[0]:
            arrays = [pa.array(column, field.type) for column, field in zip(self._columns, self.schema, strict=True)]
            self._columns = [[] for _ in self.schema]
            with disk_errors():
                self._writer.write_table(pa.table(arrays, schema=self.schema), row_group_size=self.batch)

    def keep(self) -> None:
        """Let the file appear; leaving the `with` block without an error does it too."""
        self._flush()
        with disk_errors():
            self._writer.close()
            self._part.replace(self.path)
        self._kept = True

    def __enter__(self) -> "ParquetFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None and not self._kept:
                self.keep()
        finally:
            if not self._kept:
                self._discard()

    def _discard(self) -> None:
        """Remove the unfinished file; what goes wrong on the way must not hide the error that brought us here."""
        with suppress(OSError):
            self._writer.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write a small file that appears whole or not at all. Raises StoreFull, StoreUnwritable."""
    part = part_of(path)
    with disk_errors():
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A name to write a file under until it is whole; whoever wrote it gives it its name. Raises StoreFull, StoreUnwritable."""
    part = part_of(path)
    with disk_errors():
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder to put things aside in, gone when the block ends; abandoned ones are cleared away. Raises StoreFull, StoreUnwritable."""
    spill = folder("spill")
    for other in named(spill, "scratch-"):
        with suppress(OSError):  # another process may clear it at the same time
            if time.time() - other.stat().st_mtime > ABANDONED_S:
                remove(other)
    with disk_errors():
        scratch = tempfile.TemporaryDirectory(prefix="scratch-", dir=spill, ignore_cleanup_errors=True)
    with scratch as path:
        yield Path(path)


def link(path: Path, to: Path) -> None:
    """Give a file that never changes a second name, or copy it where the store has no such names. Raises StoreFull, StoreUnwritable."""
    part = part_of(to)
    with disk_errors():
        try:
            try:
                os.link(path, part)
            except OSError as error:
                if error.errno in NO_ROOM:
                    raise
                shutil.copyfile(path, part)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)


def read_rows(path: Path, *, start: int = 0, stop: int | None = None, columns: Sequence[str] | None = None) -> Iterator[dict]:
    """Rows `start` to `stop` (not included) of a Parquet file, reading only the row groups that hold them."""
    for table in read_tables(path, start=start, stop=stop, columns=columns):
        for batch in table.to_batches(max_chunksize=ROWS_AT_ONCE):
            yield from batch.to_pylist()


def read_tables(path: Path, *, start: int = 0, stop: int | None = None, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The same rows, column by column, a table per row group. The group read last is kept: who comes back for its next rows has it."""
    at = 0
    for group, size in enumerate(_group_sizes(path, path.stat().st_mtime_ns)):
        if at + size > start and (stop is None or at < stop):
            table = _group(path, path.stat().st_mtime_ns, group, tuple(columns) if columns else None)
            first, last = max(start - at, 0), size if stop is None else min(stop - at, size)
            yield table.slice(first, last - first)
        at += size


@lru_cache(maxsize=64)
def _group_sizes(path: Path, written: int) -> tuple[int, ...]:
    metadata = pq.read_metadata(path)
    return tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))


@lru_cache(maxsize=1)
def _group(path: Path, written: int, group: int, columns: tuple[str, ...] | None) -> pa.Table:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        return file.read_row_group(group, columns=columns, use_threads=False)


def fill(con: "duckdb.DuckDBPyConnection", table: str, schema: pa.Schema, rows: Iterable[Sequence]) -> None:
    """Create a DuckDB table and fill it from rows, a batch at a time. table: a name of our own."""
    put = f'CREATE TABLE "{table}" AS'
    for batch in _tables(schema, rows):  # noqa: B007 - DuckDB finds it by its name, in a third of the time that registering it takes
        con.execute(f"{put} FROM batch")
        put = f'INSERT INTO "{table}"'


def _tables(schema: pa.Schema, rows: Iterable[Sequence]) -> Iterator[pa.Table]:
    """Rows as Arrow tables, one at least."""
    batches = batched(rows, ROWS_PER_GROUP)
    for batch in chain([next(batches, [])], batches):
        columns = zip(*batch, strict=True) if batch else ((),) * len(schema)
        yield pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of at most `size` items, without holding more than one."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def row_count(path: Path) -> int:
    """Rows of a Parquet file, from its footer."""
    is_now = path.stat()
    return _rows_in(path, is_now.st_ino, is_now.st_size, is_now.st_mtime_ns)


@lru_cache(maxsize=4_096)
def _rows_in(path: Path, *version: int) -> int:
    """version: of the file, which may be written anew. Of many files the footers were read for each thousand of their rows."""
    return int(pq.read_metadata(path).num_rows)


def file_hash(paths: Sequence[Path]) -> str:
    """SHA-256 over the bytes of the files in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


MEMORY = "192MB"
DUCKDB_GROUP = 122_880  # rows of a group that DuckDB writes unless told otherwise
# Instances that nobody uses, by process and spill folder: to open one takes some 20 ms.
_idle: dict[tuple[int, Path], list["duckdb.DuckDBPyConnection"]] = {}


@contextmanager
def database(*, in_order: bool = True) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A DuckDB connection in memory that spills into the store, so that size costs disk and not memory; its tables go with it.

    in_order: rows stay in the order of what they were read from; who needs none is given them in less memory.
    """
    with _used(_empty) as con:
        if in_order:
            yield con
            return
        con.execute("SET GLOBAL preserve_insertion_order = false")
        try:
            yield con
        finally:
            con.execute("SET GLOBAL preserve_insertion_order = true")


@contextmanager
def reader() -> Iterator["duckdb.DuckDBPyConnection"]:
    """The same for who makes no table, and asks the files alone."""
    with _used(lambda instance: None) as con:
        yield con


@contextmanager
def _used(put_away: Callable[["duckdb.DuckDBPyConnection"], None]) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A connection of an instance that nobody else uses meanwhile, which is put away for the next one unless something failed."""
    import duckdb  # on first use

    spill = folder("spill")
    idle = _idle.setdefault((os.getpid(), spill), [])
    try:
        instance = idle.pop()  # another thread may have taken the last one
    except IndexError:
        instance = _instance(spill)
    con, kept = instance.cursor(), False
    try:
        yield con
        kept = True
    except GeneratorExit:  # who read its rows wants no more of them
        kept = True
        raise
    except duckdb.OutOfMemoryException as error:
        raise StoreFull("The store has no room for sorting.") from error
    finally:
        con.close()
        if kept:
            put_away(instance)
            idle.append(instance)  # the last thing that is done with it here: from now on it is any thread's
        else:
            instance.close()


@contextmanager
def function(con: "duckdb.DuckDBPyConnection", name: str, call: Callable[..., str], parameters: Sequence[str]) -> Iterator[None]:
    """Let queries call a function that gives text, until the block ends. parameters: their SQL types."""
    con.create_function(name, call, list(parameters), "VARCHAR")
    yield
    con.remove_function(name)  # it would stay in the instance; one in which something failed is closed


def _empty(instance: "duckdb.DuckDBPyConnection") -> None:
    """Drop all tables."""
    for (name,) in instance.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").fetchall():
        instance.execute(f'DROP TABLE "{name}"')


def _instance(spill: Path) -> "duckdb.DuckDBPyConnection":
    """An instance that reads each file anew: files are replaced."""
    import duckdb  # on first use

    config: dict[str, str | int | float | list[str]] = {"memory_limit": MEMORY, "threads": 2, "temp_directory": str(spill)}
    instance = duckdb.connect(":memory:", config=config | {"preserve_insertion_order": True, "enable_external_file_cache": False})
    instance.execute("SET GLOBAL TimeZone = 'UTC'")
    return instance


def copy(con: "duckdb.DuckDBPyConnection", query: str, path: Path, *, rows_per_group: int = DUCKDB_GROUP) -> None:
    """Write a query's rows as a Parquet file that appears whole or not at all. Raises StoreFull, StoreUnwritable."""
    import duckdb  # on first use

    part = part_of(path)
    with disk_errors():
        try:
            form = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows_per_group}"
            con.execute(f"COPY ({query}) TO {quoted(part)} ({form})")  # names of our own
            part.replace(path)
        except duckdb.IOException as error:
            kind = StoreFull if "No space left" in str(error) else StoreUnwritable
            raise kind("The store is full or can't be written.") from error
        finally:
            part.unlink(missing_ok=True)


def quoted(*paths: Path) -> str:
    """Paths as they stand within a statement that takes no parameters."""
    return ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)


def remove(path: Path) -> None:
    """Remove a folder of the store with all that is in it."""
    shutil.rmtree(path, ignore_errors=True)
