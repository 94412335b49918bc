"""That a rollback left a simulated destination as it was: the canonical dump of every table, before and after."""

import hashlib
from collections.abc import Mapping
from typing import Any

from connectors.dataverse.client import environment_url
from connectors.dataverse.metadata import read_tables
from connectors.http import HttpSession
from loads.destination import Destination
from loads.models import Run
from workbench.engagements.models import Environment

COUNTS = ("planned", "removed", "restored", "kept")


def canonical_dumps(environment: Environment) -> dict[str, str]:
    """Table -> SHA-256 of its canonical dump, as the simulator itself tells it."""
    session = HttpSession(environment_url(environment.connection.base_url), name="the simulator")
    try:
        return {name: _digest(session, name) for name in read_tables(Destination(environment).client)}
    finally:
        session.close()


def _digest(session: HttpSession, table: str) -> str:
    answer = session.request("GET", f"_simulator/tables/{table}", params={"canonical": "1"})
    return hashlib.sha256(answer.content).hexdigest()


def rollback_summary(run: Run, before: Mapping[str, str]) -> dict[str, Any]:
    """What came of a rollback, and whether every table is as it was before the load; tables that came since must be empty."""
    after = canonical_dumps(run.environment)
    empty = hashlib.sha256(b"").hexdigest()
    proved = all(before.get(name, empty) == digest for name, digest in after.items()) and before.keys() <= after.keys()
    counts = {name: sum(getattr(phase, name) for phase in run.phases.all()) for name in COUNTS}
    return {"environment": run.environment.kind, **counts, "proved": proved}
