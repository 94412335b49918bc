"""The service's refusals: HTTP status, code and message as the Web API words them."""

from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """A request that the service refuses; `body()` is the JSON that the client gets."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        """headers: added to those of every answer."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The error shape that the service has used since 2020 (no inner error)."""
        return {"error": {"code": self.code, "message": self.message}}


def bad_payload(message: str) -> ServiceError:
    """A body that can't be read: wrong type, unknown column, unknown navigation property."""
    return ServiceError(400, "0x80048d19", f"Error identified in Payload provided by the user for Entity :'', {message}")


def wrong_type(value: object, edm: str) -> ServiceError:
    """A literal that isn't of the column's type."""
    return ServiceError(400, "0x80048d19", f"Cannot convert the literal '{value}' to the expected type '{edm}'.")


def undeclared(name: str, *, annotation: bool = False) -> ServiceError:
    """A property that the table doesn't have. Navigation properties are case-sensitive."""
    if annotation:
        return bad_payload(
            f"An undeclared property '{name}' which only has property annotations in the payload but no property value was found in the"
            " payload. In OData, only declared navigation properties and declared named streams can be represented as properties without"
            " values."
        )
    return bad_payload(f"Invalid property '{name}' was found in entity. The property '{name}' does not exist on type.")


def missing_row(table: str, row_id: str) -> ServiceError:
    """No row with this primary key, whether asked for or looked up to."""
    return ServiceError(404, "0x80040217", f"Entity '{table}' With Id = {row_id} Does Not Exist")


def missing_resource(name: str) -> ServiceError:
    """A path whose first segment is no entity set, function or action."""
    return ServiceError(404, "0x8006088a", f"Resource not found for the segment '{name}'.")


def bad_request(message: str) -> ServiceError:
    """The generic refusal of a query or a batch that can't be understood."""
    return ServiceError(400, "0x80060888", message)


def bad_query(message: str) -> ServiceError:
    """A query option with a syntax error or an unknown column."""
    return ServiceError(400, "0x80060888", message)


def duplicate_key(table: str) -> ServiceError:
    """A create with a primary key that exists."""
    return ServiceError(412, "0x80040237", f"Cannot insert duplicate key. Table: {table}.")


def existing_row() -> ServiceError:
    """`If-None-Match: *` on a row that exists."""
    return ServiceError(412, "0x80040237", "A record with matching key values already exists.")


def alternate_key_violated(key: str, columns: str) -> ServiceError:
    """Two rows with the same values in the columns of an alternate key."""
    return ServiceError(
        412, "0x80060892",
        f"Entity Key {key} violated. A record with the same value for {columns} already exists."
        " A duplicate record cannot be created. Select one or more unique values and try again.",
    )  # fmt: skip


def version_mismatch() -> ServiceError:
    """`If-Match` with another row version."""
    return ServiceError(412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided.")


def too_long(table: str, column: str, limit: int) -> ServiceError:
    """Text over the column's length."""
    return ServiceError(
        400, "0x80044331",
        f"A validation error occurred.  The length of the '{column}' attribute of the '{table}' entity"
        f" exceeded the maximum allowed length of '{limit}'.",
    )  # fmt: skip


def not_an_option(table: str, column: str, value: object, accepted: str) -> ServiceError:
    """A choice value that the column doesn't list."""
    return ServiceError(
        400, "0x8004431a",
        f"A validation error occurred. The value {value} of '{column}' on record of type '{table}' is outside the valid range."
        f" Accepted Values: {accepted}",
    )  # fmt: skip


def out_of_range(code: str, table: str, column: str) -> ServiceError:
    """A number or date outside the column's limits; `code` says of which family."""
    return ServiceError(
        400, code, f"A validation error occurred.  The value of '{column}' on record of type '{table}' is outside the valid range."
    )


def bad_status(table: str, status: object, state: object, row_id: str) -> ServiceError:
    """A status reason that doesn't belong to the state."""
    return ServiceError(400, "0x80048408", f"{status} is not a valid status code for state code {state} on {table} with Id {row_id}.")


def required_missing(table: str, column: str) -> ServiceError:
    """A SystemRequired column that the create doesn't give (*assumed*: the text; sources vary)."""
    return ServiceError(400, "0x80040200", f"The required field '{column}' of '{table}' is missing.")


def invalid_argument(message: str) -> ServiceError:
    """An argument that the service can't use."""
    return ServiceError(400, "0x80040203", message)


def missing_privilege(user: str, roles: int, privilege: str, table: str, type_code: int) -> ServiceError:
    """The caller (or the new owner) lacks a privilege."""
    return ServiceError(
        403, "0x80040220",
        f"Principal user (Id={user}, type=8, roleCount={roles}) is missing {privilege} privilege on OTC={type_code}"
        f" for entity '{table}'.",
    )  # fmt: skip


def forbidden_association(table: str) -> ServiceError:
    """A delete that a restricting relationship refuses (405; facts, section 1)."""
    return ServiceError(
        405, "0x80040227",
        f"The object you tried to delete is associated with another object and cannot be deleted. Entity: {table}",
    )  # fmt: skip
