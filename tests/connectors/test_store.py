"""DuckDB over the store: instances are used again, and nothing of one use is seen by the next."""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pyarrow as pa
import pytest

from connectors import footers, store

NUMBERS = pa.schema([("number", pa.int64())])


@pytest.fixture(autouse=True)
def folder(tmp_path, settings):
    settings.STORE_URL = str(tmp_path)
    return tmp_path


def tables(con):
    return [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]


def test_a_database_has_no_table_of_those_before_it():
    with store.database() as con:
        con.execute("CREATE TABLE kept AS SELECT 1; CREATE TEMP TABLE passing AS SELECT 1")
        con.execute("SELECT * FROM range(100000)").fetchmany(3)
    with store.database() as con:
        assert tables(con) == []


def test_one_that_fails_or_is_left_in_its_middle_leaves_nothing_to_others():
    with suppress(ZeroDivisionError), store.database() as con:
        con.execute("CREATE TABLE kept AS SELECT 1")
        raise ZeroDivisionError
    with store.database() as con:
        assert tables(con) == []
    with store.database() as one, store.database() as other:
        one.execute("CREATE TABLE mine AS SELECT 1")
        assert (tables(one), tables(other)) == (["mine"], [])


def test_who_needs_rows_in_order_has_them_so_after_who_needs_none(folder):
    def setting(con):
        return con.execute("SELECT current_setting('preserve_insertion_order')").fetchone()[0]

    with store.database(in_order=False) as con:
        assert not setting(con)
    with store.database() as con:
        assert setting(con)


def test_a_folder_for_passing_use_goes_and_takes_those_with_it_that_a_killed_process_left(folder):
    left, recent = folder / "spill" / "scratch-left", folder / "spill" / "scratch-recent"
    for path in (left, recent):
        path.mkdir(parents=True)
        (path / "values.parquet").write_bytes(b"x")
    long_ago = time.time() - store.ABANDONED_S - 1
    os.utime(left, (long_ago, long_ago))
    with store.scratch() as path:
        (path / "values.parquet").write_bytes(b"x")
    assert list((folder / "spill").iterdir()) == [recent]


def test_a_file_that_was_replaced_is_read_anew(folder):
    for number in (1, 2):
        with store.ParquetFile(folder / "numbers.parquet", NUMBERS) as file:
            file.add(number)
        with store.database() as con:
            assert con.execute("SELECT number FROM read_parquet(?)", [str(folder / "numbers.parquet")]).fetchall() == [(number,)]


def test_a_footer_tells_of_a_column_with_one_value_or_none_in_each_group_and_of_no_other(folder):
    schema, path = (
        pa.schema([("same", pa.binary()), ("two", pa.binary()), ("none", pa.binary()), ("some", pa.binary())]),
        folder / "a.parquet",
    )
    with store.ParquetFile(path, schema, batch=2) as file:
        for row in ((b"x", b"x", None, None), (b"x", b"y", None, b"x"), (b"", b"y", None, b"x")):
            file.add(*row)
    assert [footers.holds_only(path, name, (b"x", b"")) for name in schema.names] == [True, False, False, False]
    assert not footers.holds_only(path, "same", (b"x",))
    assert [footers.holds_none(path, name) for name in schema.names] == [False, False, True, False]


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads take turns after nearly every step."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_never_share_a_database(eager_threads):
    def doubled(number: int) -> int:
        with store.database() as con:
            return con.execute("SELECT 2 * ?", [number]).fetchone()[0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(doubled, range(400))) == list(range(0, 800, 2))
