"""That a rollback left a simulated destination as it was: the canonical dump of every table, before and after."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from typing import Any

import orjson

from connectors.dataverse.client import environment_url
from connectors.http import HttpSession
from loads.destination import Destination
from loads.models import LedgerEntry, Run
from workbench.engagements.models import Environment

COUNTS = ("planned", "removed", "restored", "kept")


Dumps = Mapping[str, Mapping[str, bytes]]  # table -> row id -> SHA-256 of the row's line


def canonical_dumps(environment: Environment) -> dict[str, dict[str, bytes]]:
    """The canonical dump of every table, as the simulator itself tells it."""
    session = HttpSession(environment_url(environment.connection.base_url), name="the simulator")
    try:
        wanted = {"$select": "LogicalName,PrimaryIdAttribute", "$filter": "IsPrivate eq false"}
        tables = Destination(environment).client.get("EntityDefinitions", params=wanted)["value"]
        return {name: dict(_rows(session, name, table["PrimaryIdAttribute"])) for table in tables for name in [table["LogicalName"]]}
    finally:
        session.close()


def _rows(session: HttpSession, table: str, key: str) -> Iterator[tuple[str, bytes]]:
    with closing(session.download(f"_simulator/tables/{table}", params={"canonical": "1"})) as lines:
        for line in map(bytes.strip, lines):
            yield str(orjson.loads(line)[key]), hashlib.sha256(line).digest()


def rollback_summary(run: Run, before: Dumps) -> dict[str, Any]:
    """What came of a rollback, and whether every row but those that it kept is as it was before the load."""
    after = canonical_dumps(run.environment)
    kept = {str(row_id) for row_id in run.ledger.filter(outcome=LedgerEntry.Outcome.KEPT).values_list("row_id", flat=True)}
    proved = all(_but(kept, before.get(name, {})) == _but(kept, after.get(name, {})) for name in {*before, *after})
    counts = {name: sum(getattr(phase, name) for phase in run.phases.all()) for name in COUNTS}
    return {"environment": run.environment.kind, **counts, "proved": proved}


def _but(kept: Collection[str], rows: Mapping[str, bytes]) -> dict[str, bytes]:
    return {row_id: digest for row_id, digest in rows.items() if row_id not in kept}
