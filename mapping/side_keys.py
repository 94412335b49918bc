"""Narrow files beside the keys of people: who bought what, and who is on which dynamic list; made once per dataset and rules.

They join the keys by name: a user id or a normalised e-mail, which are one namespace there too (see mapping.clusters.cluster).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors import landing, store
from connectors.models import Dataset
from connectors.storable import storable
from mapping.computed import number
from mapping.fieldmaps import reader
from mapping.identity import id_text, normalise_email
from mapping.playbooks import BuyerRule, MemberRule

# names: the record's own names of the person, the best first; empty where it names nobody. total: null where it can't be read.
PURCHASES = pa.schema(
    [("names", pa.list_(pa.string())), ("currency", pa.string()), ("total", pa.decimal128(24, 4)), ("order_id", pa.string())]
)
MEMBERS = pa.schema([("list_id", pa.string()), ("name", pa.string())])
MOST = 922_337_203_685_477  # of a money column of the destination, in either direction
Rule = BuyerRule | MemberRule


def purchases_path(dataset: Dataset, rule: BuyerRule, names: Mapping[str, str]) -> Path:
    """Where the purchases of a dataset lie once they are read. names: what the engagement calls fields, as the playbook's settings."""
    return _path(dataset, rule, names)


def purchases_of(dataset: Dataset, rule: BuyerRule, names: Mapping[str, str]) -> Path:
    """The Parquet file (PURCHASES) of a dataset; memory holds one batch."""
    keys = [reader(_field(key, names)) for key in rule.keys]
    total, currency, order = (reader(_field(name, names)) for name in (rule.total, rule.currency, rule.order_id))

    def read(record: Mapping[str, Any]) -> Iterator[tuple]:
        people = [name for key in keys for name in person_names(key(record))]
        yield list(dict.fromkeys(people)), code_of(currency(record)), amount(total(record)), id_text(order(record))

    return _made(dataset, purchases_path(dataset, rule, names), PURCHASES, read)


def members_path(dataset: Dataset, rule: MemberRule) -> Path:
    """Where the memberships of a dataset lie once they are read."""
    return _path(dataset, rule, {})


def members_of(dataset: Dataset, rule: MemberRule) -> Path:
    """The Parquet file (MEMBERS) of a dataset, a row per name of a member."""
    list_id, user = reader(rule.list), reader(rule.user)

    def read(record: Mapping[str, Any]) -> Iterator[tuple]:
        key = id_text(list_id(record))
        yield from ((landing.clean_id(key), name) for name in (person_names(user(record)) if key else ()))

    return _made(dataset, members_path(dataset, rule), MEMBERS, read)


def person_names(value: Any) -> Iterator[str]:
    """The names by which a person may be known: the value as a user id, and as an e-mail address where it is one."""
    if text := id_text(value):
        yield landing.clean_id(text)
        address, _ = normalise_email(value)
        if address and address != text:
            yield address


def amount(value: Any) -> Decimal | None:
    """A sum of money with four decimals, also one that stands as text; None for what is none, or more than a money column holds."""
    found = number(value)
    return found.quantize(Decimal("0.0001")) if found is not None and abs(found) <= MOST else None


def code_of(value: Any) -> str:
    """A currency's code, trimmed and in capitals; at most ten letters of it."""
    return storable(value.strip().upper()[:10]) if isinstance(value, str) else ""


def _field(name: str, names: Mapping[str, str]) -> str:
    return names[name[1:]] if name.startswith("@") else name


def _path(dataset: Dataset, rule: Rule, names: Mapping[str, str]) -> Path:
    named = {name: _field(name, names) for name in map(str, _flat(asdict(rule).values())) if name.startswith("@")}
    digest = sha256(json.dumps([PURCHASES.names, MEMBERS.names, asdict(rule), named], sort_keys=True).encode()).hexdigest()[:16]
    return store.folder(dataset.engagement.slug, "keys") / f"{dataset.pk}-{digest}.parquet"


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        yield from value if isinstance(value, (list, tuple)) else (value,)


def _made(dataset: Dataset, path: Path, schema: pa.Schema, read: Callable[[Mapping[str, Any]], Iterator[tuple]]) -> Path:
    if not path.exists():
        with store.ParquetFile(path, schema) as file:
            for record in landing.records(dataset):
                for row in read(record):
                    file.add(*row)
    return path
