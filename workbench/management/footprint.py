"""What a played demonstration on SQLite takes up per row that it loaded, object by object."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

LOADED = "SELECT object_name, sum(created + updated + equal) FROM loads_phase WHERE kind = 'rows' GROUP BY 1"
# The tables that grow with what is loaded; a table's bytes, indexes with them, are shared out by the rows that each object has in it.
OF_OBJECTS = {
    "loads_crosswalk": "SELECT object_name, count(*) FROM loads_crosswalk GROUP BY 1",
    "loads_ledgerentry": "SELECT object_name, count(*) FROM loads_ledgerentry GROUP BY 1",
    "loads_verifiedrow": "SELECT p.object_name, count(*) FROM loads_verifiedrow r JOIN loads_phase p ON p.id = r.phase_id GROUP BY 1",
    "loads_chunk": "SELECT p.object_name, count(*) FROM loads_chunk r JOIN loads_phase p ON p.id = r.phase_id GROUP BY 1",
}
BYTES = "SELECT sum(s.pgsize) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name WHERE m.tbl_name = ?"


def bytes_per_row(database: Path, store: Path) -> dict[str, dict[str, Any]]:
    """Object -> {"rows", "database", "store"}: rows loaded into both environments, and bytes per one of them.

    Landed records, which both environments share, count whole. "database" is None where SQLite was built without dbstat.
    """
    with sqlite3.connect(database) as con:
        rows = {name: count for name, count in con.execute(LOADED) if count}
        in_database = _database_bytes(con)
    con.close()
    in_store = _store_bytes(store)
    return {
        name: {
            "rows": count,
            "database": None if in_database is None else round(in_database[name] / count, 1),
            "store": round(in_store[name] / count, 1),
        }
        for name, count in sorted(rows.items())
    }


def _database_bytes(con: sqlite3.Connection) -> Counter[str] | None:
    found: Counter[str] = Counter()
    for table, of_objects in OF_OBJECTS.items():
        try:
            [(size,)] = con.execute(BYTES, [table])
        except sqlite3.OperationalError:
            return None
        counts = dict(con.execute(of_objects).fetchall())
        for name, count in counts.items():
            found[name] += round(size * count / sum(counts.values()))
    return found


def _store_bytes(store: Path) -> Counter[str]:
    """Landed records stand in a folder per dataset, `<object>-<number>`; staged ones in files `<object>-<kind>` of the run's folder."""
    found: Counter[str] = Counter()
    for path in store.glob("*/landed/*/*.parquet"):
        found[path.parent.name.rpartition("-")[0]] += path.stat().st_size
    for path in store.glob("*/runs/*/*.parquet"):
        found[path.name.partition("-")[0]] += path.stat().st_size
    return found
