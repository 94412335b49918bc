"""What the destination holds already: the key columns of each table, read once into a snapshot, and the crosswalk beside it."""

from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa

from connectors.store import fill
from loads.destination import Destination
from loads.models import Crosswalk, Run
from loads.scans.forms import ACCOUNTS, PEOPLE
from loads.scans.reading import Wanted, files
from mapping.consent import consent_columns

CROSSWALK = pa.schema(
    [
        ("source_id", pa.string()),
        ("table", pa.string()),
        ("role", pa.string()),
        ("row_id", pa.string()),
        ("alias", pa.bool_()),
        ("origin", pa.string()),
        ("state", pa.string()),
        ("applied_hash", pa.string()),
    ]
)


def load_crosswalk(con: duckdb.DuckDBPyConnection, rows: Iterable[tuple]) -> None:
    """Table `xw`: the ids given so far. Of rows that nothing was loaded into, or that we removed, those that we make keep theirs.

    Those that were found are sought anew: there may be others by now, and whoever was asked may have said which one it is.
    """
    fill(con, "xw", CROSSWALK, (row for row in rows if row[6] != Crosswalk.State.REMOVED or row[5] == Crosswalk.Origin.CREATED))
    con.execute(
        """DELETE FROM xw WHERE origin = 'matched' AND NOT EXISTS (
           SELECT 1 FROM xw o WHERE o."table" = xw."table" AND o.row_id = xw.row_id AND NOT o.alias AND o.state IN ('present', 'kept'))"""
    )


def read_kept(con: duckdb.DuckDBPyConnection, schema: pa.Schema, paths: Sequence[str]) -> None:
    """Table `everyone`: what scans kept of rows in a form with this schema."""
    if paths:
        con.execute("CREATE TABLE everyone AS SELECT * FROM read_parquet($paths)", {"paths": paths})
    else:
        fill(con, "everyone", schema, ())


def people(destination: Destination) -> list[Wanted]:
    """All contacts and leads."""
    wanted = []
    for name in ("contact", "lead"):
        consents = [column for column in consent_columns(destination.prefix) if column in destination.table(name).columns]
        wanted.append(Wanted(f"people-{name}", name, ["emailaddress1", "statecode", *consents], "people"))
    return wanted


def load_people(con: duckdb.DuckDBPyConnection, run: Run, read: Sequence[Wanted]) -> None:
    """Tables `everyone` (see PEOPLE), all contacts and leads, and `there`, contacts and open leads that aren't our own. Needs `xw`.

    An inactive contact is the person's row as an active one is: else a second row would stand beside it. The service takes values for it
    (*assumed*).
    """
    read_kept(con, PEOPLE, files(run, *(one.name for one in read)))
    con.execute("""
        CREATE TABLE there AS SELECT * FROM everyone e WHERE (open OR "table" = 'contact') AND email IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM xw WHERE xw."table" = e."table" AND xw.row_id = e.row_id AND xw.origin = 'created')
    """)


COMPANIES = Wanted("companies", "account", ["name", "websiteurl", "statecode"], "accounts")


def load_accounts(con: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Tables `everyone` (see ACCOUNTS), all accounts, and `there`, those that aren't our own. Needs `xw`."""
    read_kept(con, ACCOUNTS, files(run, COMPANIES.name))
    con.execute("""
        CREATE TABLE there AS SELECT * FROM everyone e WHERE NOT EXISTS (
            SELECT 1 FROM xw WHERE xw.row_id = e.row_id AND xw.origin = 'created')
    """)
