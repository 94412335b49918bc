"""What the destination holds already: the key columns of each table, read once into a snapshot, and the crosswalk beside it."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import duckdb
import idna
import pyarrow as pa

from connectors.store import fill
from loads.destination import Destination
from loads.models import Crosswalk
from mapping.companies import company_key
from mapping.consent import consent_columns
from mapping.identity import normalise_email

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
    """Table `xw`: the ids given so far. Of rows removed by us those that we had made keep theirs; those that were found are sought anew."""
    fill(con, "xw", CROSSWALK, (row for row in rows if row[6] != Crosswalk.State.REMOVED or row[5] == Crosswalk.Origin.CREATED))


# refused: the consent columns that are true.
PEOPLE = pa.schema(
    [("table", pa.string()), ("row_id", pa.string()), ("email", pa.string()), ("open", pa.bool_()), ("refused", pa.list_(pa.string()))]
)


def load_people(con: duckdb.DuckDBPyConnection, destination: Destination) -> None:
    """Tables `everyone` (see PEOPLE), all contacts and leads, and `there`, contacts and open leads that aren't our own. Needs `xw`."""
    fill(con, "everyone", PEOPLE, _people(destination))
    con.execute("""
        CREATE TABLE there AS SELECT * FROM everyone e WHERE open AND email IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM xw WHERE xw."table" = e."table" AND xw.row_id = e.row_id AND xw.origin = 'created')
    """)


def _people(destination: Destination) -> Iterator[tuple[str, str, str | None, bool, list[str]]]:
    for name in ("contact", "lead"):
        table = destination.table(name)
        consents = [column for column in consent_columns(destination.prefix) if column in table.columns]
        for row in destination.client.rows(table.entity_set, select=[table.primary_id, "emailaddress1", "statecode", *consents]):
            email, _ = normalise_email(row.get("emailaddress1"))
            is_open = name == "contact" or row.get("statecode") == 0
            yield name, row[table.primary_id].lower(), email, is_open, [column for column in consents if row.get(column) is True]


ACCOUNTS = pa.schema([("row_id", pa.string()), ("name_key", pa.string()), ("domain", pa.string())])


def load_accounts(con: duckdb.DuckDBPyConnection, destination: Destination) -> None:
    """Tables `everyone` (row_id, name_key, domain), all accounts, and `there`, those that aren't our own. Needs `xw`."""
    table = destination.table("account")
    rows = destination.client.rows(table.entity_set, select=[table.primary_id, "name", "websiteurl"])
    keys = ((row[table.primary_id].lower(), company_key(row.get("name") or ""), web_domain(row.get("websiteurl"))) for row in rows)
    fill(con, "everyone", ACCOUNTS, keys)
    con.execute("""
        CREATE TABLE there AS SELECT * FROM everyone e WHERE NOT EXISTS (
            SELECT 1 FROM xw WHERE xw.row_id = e.row_id AND xw.origin = 'created')
    """)


def web_domain(address: str | None) -> str | None:
    """The domain that a web address leads to, without `www.`, in the ASCII form that e-mail domains get too (IDNA 2008)."""
    text = (address or "").strip().lower()
    if not text:
        return None
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
        bare = host.removeprefix("www.")
        return (bare if bare.isascii() else idna.encode(bare, uts46=True).decode()) or None
    except ValueError:  # of which the errors of idna are one kind
        return None
