"""What is kept of the rows that are read through: what staging and rehearsal join with, in the form in which it is compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import idna
import pyarrow as pa

from connectors.dataverse.metadata import Table
from mapping.companies import company_keys
from mapping.identity import normalise_email

Values = Sequence[Any]
Reader = Callable[[Mapping[str, Any]], Values | None]


@dataclass(frozen=True, slots=True)
class Form:
    """reader: of a table and the columns that were asked for, what makes of a row as it is read the values that are kept; None: none."""

    schema: pa.Schema
    reader: Callable[[Table, Sequence[str]], Reader]


# open: of a contact or an account that it is active. refused: the consent columns that are true.
PEOPLE = pa.schema(
    [("table", pa.string()), ("row_id", pa.string()), ("email", pa.string()), ("open", pa.bool_()), ("refused", pa.list_(pa.string()))]
)


def _person(table: Table, names: Sequence[str]) -> Reader:
    key, consents = table.primary_id, [name for name in names if name not in ("emailaddress1", "statecode")]

    def read(row: Mapping[str, Any]) -> Values:
        email, _ = normalise_email(row.get("emailaddress1"))
        return table.name, row[key].lower(), email, _is_open(row), [name for name in consents if row.get(name) is True]

    return read


def _is_open(row: Mapping[str, Any]) -> bool:
    return row.get("statecode") in (0, None)


# name_key, folded: see `company_keys`.
ACCOUNTS = pa.schema([*((name, pa.string()) for name in ("row_id", "name_key", "folded", "domain")), ("open", pa.bool_())])


def _account(table: Table, names: Sequence[str]) -> Reader:
    key = table.primary_id
    return lambda row: (row[key].lower(), *company_keys(row.get("name") or ""), web_domain(row.get("websiteurl")), _is_open(row))


# key: the one column that was asked for, as rows are found by it; null where none was.
FOUND = pa.schema([("table", pa.string()), ("row_id", pa.string()), ("key", pa.string())])


def _found(table: Table, names: Sequence[str]) -> Reader:
    key, by = table.primary_id, names[0] if names else ""
    return lambda row: (table.name, row[key].lower(), (str(row.get(by) or "").strip().lower() or None) if by else None)


# keys: the columns that were asked for, together unique among the rows that have them all. Case counts for nothing, as at the service.
KEYS = pa.schema([("row_id", pa.string()), ("keys", pa.list_(pa.string()))])


def _keys(table: Table, names: Sequence[str]) -> Reader:
    def read(row: Mapping[str, Any]) -> Values | None:
        values = [row.get(name) for name in names]
        return None if any(value in (None, "") for value in values) else (row[table.primary_id].lower(), [str(v).lower() for v in values])

    return read


FORMS: Mapping[str, Form] = {
    "people": Form(PEOPLE, _person),
    "accounts": Form(ACCOUNTS, _account),
    "found": Form(FOUND, _found),
    "keys": Form(KEYS, _keys),
}


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
