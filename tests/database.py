"""The tests' database: migrated once for all processes and runs, cloned by each process, and taken back to that in a moment."""

import fcntl
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

Rows = dict[str, list[tuple[Any, ...]]]  # quoted table -> its rows
DIFFERS = ('"password"', '"secret"')
FOLDER = Path(tempfile.gettempdir())
# SQLite's rows are kept in memory, PostgreSQL's in schemas of the database itself; by name, MIGRATED those of one that is only migrated.
MIGRATED = "migrated"
_in_memory: dict[str, sqlite3.Connection] = {}


@contextmanager
def made() -> Iterator[None]:
    """A database of this process's own, with all migrations.

    On SQLite a file, as in use: a database in memory would vanish whenever a task closes its connections.
    """
    name, suffix, before = f"workbench-migrated-{_key()}", str(os.getpid()), connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = str(FOLDER / f"{name}.sqlite3") if connection.vendor == "sqlite" else name
    with _alone():
        connection.creation.create_test_db(verbosity=0, serialize=False, keepdb=True)
        connection.close()
        connection.creation.clone_test_db(suffix, verbosity=0)
    migrated = connection.settings_dict["NAME"]
    connection.settings_dict.update(connection.creation.get_test_db_clone_settings(suffix))
    keep(MIGRATED)
    try:
        yield
    finally:
        connection.settings_dict["NAME"] = migrated
        connection.creation.destroy_test_db(before, verbosity=0, suffix=suffix)


def empty() -> None:
    """Take the database back to what it held when it was only migrated, whatever was committed since."""
    put_back(MIGRATED)


def keep(name: str) -> None:
    """Keep the rows that the database holds now for `put_back`."""
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        _in_memory[name] = sqlite3.connect(":memory:", check_same_thread=False)
        connection.connection.backup(_in_memory[name])
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {name}")
        for table in _filled(cursor):
            cursor.execute(f"CREATE TABLE {name}.{table} AS TABLE {table}")


def put_back(name: str) -> None:
    """Have the database hold the rows that were kept, and no others."""
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        _in_memory[name].backup(connection.connection)
        return
    with transaction.atomic(), connection.cursor() as cursor:
        if filled := _filled(cursor):
            cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [name])
        for (table,) in cursor.fetchall():
            cursor.execute(f"INSERT INTO {table} SELECT * FROM {name}.{table}")


def rows() -> Rows:
    """What each table holds, in SQLite's own values; nothing on PostgreSQL."""
    if connection.vendor != "sqlite":
        return {}
    with connection.cursor() as cursor:
        # With a plus before it a column has no declared type that Python would convert it by.
        return {
            table: cursor.execute(f"SELECT {', '.join(f'+{name}' for name in columns)} FROM {table}").fetchall()
            for table, columns in _columns().items()
        }


def write(given: Rows) -> None:
    """Have these tables hold these rows, and no others."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table, found in given.items():
            cursor.execute(f"DELETE FROM {table}")
            if found:
                cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(found[0]))})", found)


def likeness(given: Rows) -> str:
    """A hash of rows without what differs each time that they are made: times, and what is salted or encrypted."""
    found = hashlib.sha256()
    for table, columns in _columns().items():
        stays = [number for number, (name, kind) in enumerate(columns.items()) if kind != "datetime" and name not in DIFFERS]
        found.update(repr((table, [[row[number] for number in stays] for row in given[table]])).encode())
    return found.hexdigest()


@cache
def _columns() -> dict[str, dict[str, str]]:
    """Quoted table -> quoted column -> its type."""
    with connection.cursor() as cursor:
        return {
            f'"{table}"': {f'"{name}"': kind for _, name, kind, *_ in cursor.execute(f'PRAGMA table_info("{table}")').fetchall()}
            for table in connection.introspection.django_table_names(include_views=False)
        }


def _filled(cursor: CursorWrapper) -> list[str]:
    """The tables that have rows."""
    tables = connection.introspection.django_table_names(include_views=False)
    cursor.execute(" UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables))
    return [table for (table,) in cursor.fetchall()]


def _key() -> str:
    """A hash of all migrations."""
    found = hashlib.sha256(django.__version__.encode())
    for app in sorted(apps.get_app_configs(), key=lambda app: app.label):
        for path in sorted(Path(app.path).glob("migrations/*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


@contextmanager
def _alone() -> Iterator[None]:
    """No other process of this machine does the same meanwhile."""
    with (FOLDER / f"workbench-migrated-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
