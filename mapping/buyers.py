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
    "money": [{"currency", "total"}]}; `outcomes` sums rows up; `nobody` are purchases of people who aren't in the source.
    """
    if not files:
        return None
    load_buyers(con, files[0])
    counts = con.execute(_COUNTS).fetchall()
    money: dict[str | None, list[tuple[str, Decimal]]] = {}
    for stage, currency, total in con.execute(_MONEY).fetchall():
        money.setdefault(stage, []).append((currency, total))
    rows = [
        {"stage": stage, "outcome": split["matrix"].get(stage, ""), "people": people, "purchases": purchases, "sums": money.get(stage, [])}
        for stage, people, purchases in counts
        if stage is not None
    ]
    nobody = next((purchases for stage, _, purchases in counts if stage is None), 0)
    return {
        "count": sum(purchases for *_, purchases in counts),
        "rule": split.get("purchasers", {}).get("leads", ""),
        "rows": [_shown(row) for row in sorted(rows, key=lambda row: (-row["purchases"], row["stage"]))],
        "outcomes": {outcome: _together(rows, outcome) for outcome in sorted({row["outcome"] for row in rows})},
        "nobody": {"purchases": nobody, "money": _money(money.get(None, []))},
    }


_PLACED = """
    SELECT p.*, b.cluster, k.stage FROM purchases p LEFT JOIN bought b USING (number)
    LEFT JOIN clusters c USING (cluster) LEFT JOIN keys k ON k.position = c.survivor
"""
_COUNTS = f"SELECT stage, count(DISTINCT cluster), count(*) FROM ({_PLACED}) GROUP BY stage"  # noqa: S608 - text of our own
_MONEY = f"SELECT stage, currency, sum(total) FROM ({_PLACED}) WHERE total IS NOT NULL GROUP BY ALL ORDER BY 3 DESC, 2"  # noqa: S608


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
