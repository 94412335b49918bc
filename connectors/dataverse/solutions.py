"""The publisher and the unmanaged solution that everything we create belongs to."""

import re
import zlib
from typing import Any

from connectors.dataverse.client import Client, literal
from connectors.http import OutcomeUnknown
from workbench.engagements.errors import BadInput

_PREFIX = re.compile(r"(?!mscrm)[a-z][a-z0-9]{1,7}")
_LOWEST, _RANGE = 10_000, 90_000  # what a publisher's option value prefix may be


def ensure_solution(client: Client, unique_name: str, friendly_name: str, prefix: str) -> str:
    """Find or create the solution and a publisher with this prefix; returns the solution's id.

    Raises BadInput on a prefix that isn't allowed, and where the solution exists under another prefix.
    """
    if not _PREFIX.fullmatch(prefix):
        raise BadInput(
            f"{prefix!r} can't be a prefix.", remedy="Use 2 to 8 small letters or digits, a letter first, not beginning with mscrm."
        )
    solution = find_solution(client, unique_name)
    if solution:
        _require_prefix(client, unique_name, solution["_publisherid_value"], prefix)
        return str(solution["solutionid"])
    publisher = _ensure_publisher(client, prefix)
    body = {
        "uniquename": unique_name, "friendlyname": friendly_name, "version": "1.0.0.0",
        "publisherid@odata.bind": f"/publishers({publisher})",
    }  # fmt: skip
    _create(client, "solutions", body)
    return str(find_solution(client, unique_name)["solutionid"])


def find_solution(client: Client, unique_name: str) -> dict[str, Any]:
    """solutionid and _publisherid_value of the solution with this name; empty where there is none."""
    return _find(client, "solutions", f"uniquename eq {literal(unique_name)}", "solutionid,_publisherid_value")


def find_publisher(client: Client, prefix: str) -> dict[str, Any]:
    """publisherid and uniquename of the publisher with this prefix; empty where there is none."""
    return _find(client, "publishers", f"customizationprefix eq {literal(prefix)}", "publisherid,uniquename")


def solutions_of(client: Client, publisher_id: str) -> list[str]:
    """Unique names of the solutions of a publisher."""
    rows = client.rows("solutions", select=["uniquename"], filter=f"_publisherid_value eq {publisher_id}")
    return sorted(row["uniquename"] for row in rows)


def publisher_name(prefix: str) -> str:
    """The unique name of the publisher that we make for a prefix."""
    return f"{prefix}publisher"


def option_prefix(prefix: str) -> int:
    """The first digits of a publisher's choice values, 10000 to 99999, always the same for a prefix."""
    return _LOWEST + zlib.crc32(prefix.encode()) % _RANGE


def _ensure_publisher(client: Client, prefix: str) -> str:
    found = find_publisher(client, prefix)
    if not found:
        body = {
            "uniquename": publisher_name(prefix), "friendlyname": f"Migration ({prefix})", "customizationprefix": prefix,
            "customizationoptionvalueprefix": option_prefix(prefix),
        }  # fmt: skip
        _create(client, "publishers", body)
        found = find_publisher(client, prefix)
    return str(found["publisherid"])


def _require_prefix(client: Client, unique_name: str, publisher: str, prefix: str) -> None:
    row = client.get(f"publishers({publisher})", params={"$select": "customizationprefix,uniquename"})
    if row["customizationprefix"] != prefix:
        raise BadInput(
            f"The solution {unique_name} exists under the prefix {row['customizationprefix']}, not {prefix}.",
            remedy="Take that prefix for the engagement, or another name for the solution.",
        )


def _find(client: Client, entity_set: str, wanted: str, select: str) -> dict[str, Any]:
    rows = client.get(entity_set, params={"$select": select, "$filter": wanted})["value"]
    return rows[0] if rows else {}


def _create(client: Client, entity_set: str, body: dict[str, Any]) -> None:
    """Create by unique name: after a lost answer the row is looked for, and made only where it isn't there."""
    try:
        client.post(entity_set, body)
    except OutcomeUnknown:
        if not _find(client, entity_set, f"uniquename eq {literal(body['uniquename'])}", "uniquename"):
            client.post(entity_set, body)
