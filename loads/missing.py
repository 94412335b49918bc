"""Refusals that don't name the column though a row that is looked up to isn't there: which lookup it is, for a remedy."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.dataverse.client import Client
from connectors.dataverse.metadata import Table
from loads.destination import Destination
from loads.staged import StagedRow
from loads.verification import BIND

if TYPE_CHECKING:
    from loads.writer import Written

CODES = ("0x80040217", "0x80060891")
_BOUND = re.compile(r"/(\w+)\(([0-9a-fA-F-]{36})\)")


def named(destination: Destination, client: Client, table: Table, written: "list[Written]") -> "list[Written]":
    """The same, such refusals with the lookup that leads nowhere as their field, where there is one; one look per looked-up table."""
    lost = [one.row for one in written if one.reason and one.reason["code"] in CODES and not one.reason["field"]]
    if not lost:
        return written
    columns = _leading_nowhere(destination, client, table, lost)
    return [
        replace(one, reason={**one.reason, "field": columns[one.row.row_id]}) if one.reason and one.row.row_id in columns else one
        for one in written
    ]


def _leading_nowhere(destination: Destination, client: Client, table: Table, rows: Sequence[StagedRow]) -> dict[str, str]:
    """Row id -> the first of its lookups whose row isn't there."""
    lookups = [(row.row_id, *lookup) for row in rows for lookup in _lookups(destination, table, row)]
    there: set[tuple[str, str]] = set()
    for target in {target for _, _, target, _ in lookups}:
        of, ids = destination.table(target), [row_id for _, _, name, row_id in lookups if name == target]
        there |= {(target, row_id) for row_id in client.present(of.entity_set, of.primary_id, ids)}
    found: dict[str, str] = {}
    for looking, column, target, row_id in lookups:
        if (target, row_id) not in there:
            found.setdefault(looking, column)
    return found


def _lookups(destination: Destination, table: Table, row: StagedRow) -> Iterator[tuple[str, str, str]]:
    """(column, table that it leads to, row id) of each lookup that a row sets, in the columns' order."""
    for column in table.columns.values():
        for target, navigation in column.navigation.items():
            bound = _BOUND.fullmatch(str(row.values.get(f"{navigation}{BIND}") or ""))
            if bound and destination.table(target).entity_set == bound[1]:  # an owner's property is that of users and of teams
                yield column.name, target, bound[2].lower()
