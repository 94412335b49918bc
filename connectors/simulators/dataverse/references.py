"""Rows named in the body of an action: `{"List": {"@odata.type": "Microsoft.Dynamics.CRM.list", "listid": "…"}}`."""

from collections.abc import Mapping
from typing import Any

from . import errors, writing
from .calls import Call
from .organisation import Organisation
from .paths import NAMESPACE
from .tables import Table


def named(org: Organisation, item: Any, parameter: str) -> tuple[Table, str]:
    """The table and id of a row that a parameter names by its type and primary key. Raises ServiceError."""
    kind = str(item.get("@odata.type", "")).lstrip("#") if isinstance(item, Mapping) else ""
    if not kind.startswith(NAMESPACE):
        raise errors.bad_payload(f"The parameter '{parameter}' needs '@odata.type' and the primary key of a row.")
    table = org.table(kind[len(NAMESPACE) :])
    row_id = writing.body_id(table, item)
    if row_id is None:
        raise errors.invalid_argument(f"The required field '{table.primary_id}' of '{parameter}' is missing.")
    org.row(table, row_id)
    return table, row_id


def parameter(call: Call, name: str) -> Any:
    """A parameter of an action. Raises ServiceError where it is missing."""
    body = call.json()
    if body.get(name) is None:
        raise errors.invalid_argument(f"Required parameter '{name}' is missing.")
    return body[name]
