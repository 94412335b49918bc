"""Who bought, by lifecycle stage: a lead can't be the customer of a deal, so the customer signs what becomes of purchasing leads."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from mapping.clusters import load_buyers

Money = list[dict[str, str]]


def who_bought(con: duckdb.DuckDBPyConnection, files: Sequence[Path], split: Mapping[str, Any]) -> dict[str, Any] | None:
    """Purchases by the stage of the person who survives, as the matrix sign-off shows them; None where none were landed.

    con: with the tables that mapping.clusters.cluster leaves. split: the plan part. A row is {"stage", "outcome", "people", "purchases",
    "money": [{"currency", "total"}]}; `outcomes` sums rows up; `nobody` are purchases of people who aren't in the source, which are
    held; `forgotten` those of people who are to be forgotten, which are left out with them.
    """
    if not files:
        return None
    load_buyers(con, files[0])
    con.execute(_FORGOTTEN)
    counts = con.execute(_COUNTS).fetchall()
    money: dict[tuple[str | None, bool], list[tuple[str, Decimal]]] = {}
    for stage, forgotten, currency, total in con.execute(_MONEY).fetchall():
        money.setdefault((stage, forgotten), []).append((currency, total))
    rows = [
        {
            "stage": stage,
            "outcome": split["matrix"].get(stage, ""),
            "people": people,
            "purchases": purchases,
            "sums": money.get((stage, False), []),
        }
        for stage, _, people, purchases in counts
        if stage is not None
    ]
    unknown = {forgotten: purchases for stage, forgotten, _, purchases in counts if stage is None}
    return {
        "count": sum(purchases for *_, purchases in counts),
        "rule": split.get("purchasers", {}).get("leads", ""),
        "rows": [_shown(row) for row in sorted(rows, key=lambda row: (-row["purchases"], row["stage"]))],
        "outcomes": {outcome: _together(rows, outcome) for outcome in sorted({row["outcome"] for row in rows})},
        "nobody": {"purchases": unknown.get(False, 0), "money": _money(money.get((None, False), []))},
        "forgotten": {"purchases": unknown.get(True, 0), "money": _money(money.get((None, True), []))},
    }


_FORGOTTEN = """
    CREATE TABLE of_forgotten AS SELECT DISTINCT number FROM (SELECT number, unnest(names) AS name FROM purchases)
    JOIN (SELECT unnest([email, user_key]) AS name FROM keys WHERE forgotten) USING (name)
"""
_PLACED = """
    SELECT p.*, b.cluster, k.stage, b.cluster IS NULL AND f.number IS NOT NULL AS forgotten
    FROM purchases p LEFT JOIN bought b USING (number) LEFT JOIN of_forgotten f USING (number)
    LEFT JOIN clusters c USING (cluster) LEFT JOIN keys k ON k.position = c.survivor
"""
_COUNTS = f"SELECT stage, forgotten, count(DISTINCT cluster), count(*) FROM ({_PLACED}) GROUP BY ALL"  # noqa: S608 - text of our own
_MONEY = f"SELECT stage, forgotten, currency, sum(total) FROM ({_PLACED}) WHERE total IS NOT NULL GROUP BY ALL ORDER BY 4 DESC, 3"  # noqa: S608


def _together(rows: Iterable[Mapping[str, Any]], outcome: str) -> dict[str, Any]:
    """The rows of one outcome as one."""
    of_it, sums = [row for row in rows if row["outcome"] == outcome], dict[str, Decimal]()
    for row in of_it:
        for currency, total in row["sums"]:
            sums[currency] = sums.get(currency, Decimal(0)) + total
    found = sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))
    return {"people": sum(row["people"] for row in of_it), "purchases": sum(row["purchases"] for row in of_it), "money": _money(found)}


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: row[key] for key in ("stage", "outcome", "people", "purchases")}, "money": _money(row["sums"])}


def _money(sums: Iterable[tuple[str, Decimal]]) -> Money:
    """Sums as text, since money is never a float."""
    return [{"currency": currency, "total": f"{total:,.2f}"} for currency, total in sums]
