"""What the demonstration's simulators are told between production and the delta: time moves on, and people edit rows."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from connectors import rawjson
from connectors.base import Source
from connectors.carrying import base_of, watermark
from connectors.http import HttpSession
from connectors.registry import SOURCES
from mapping.discovery.keys import PERSON
from mapping.discovery.source import identify, origin
from mapping.playbooks import load_playbook
from workbench.engagements.models import Connection, Engagement

CONTROL = "_simulator/"
EDITED = 10  # rows of a table that people edit
# What a person enters: into a column that the source changed as well, and into one of the person's own.
BY_HAND = ({"jobtitle": "Entered by hand"}, {"description": "Called; wants an offer."})


def move_on(addresses: Mapping[str, Any], engagement: Engagement) -> None:
    """Advance the source, then have a seller edit some rows of production whose records changed there."""
    HttpSession(addresses[engagement.platform], name="simulator").request("POST", CONTROL + "advance")
    connection = engagement.connections.get(kind=engagement.platform)
    ids, production = set(_changed(engagement, connection)), HttpSession(addresses["dataverse"], name="simulator")
    seller = next(row["systemuserid"] for row in _rows(production, "systemuser") if _is_person(row))
    for table in ("contact", "lead"):
        found = (row[f"{table}id"] for row in _rows(production, table) if row.get(f"{engagement.prefix}_sourceid") in ids)
        for number, row_id in zip(range(EDITED), found, strict=False):
            body = {"table": table, "id": row_id, "values": BY_HAND[number % len(BY_HAND)], "user": seller}
            production.request("POST", CONTROL + "edit", json=body)


def _changed(engagement: Engagement, connection: Connection) -> Iterator[str]:
    """Source ids, as rows carry them, of people who changed since they were extracted."""
    base = base_of(engagement, PERSON, origin(engagement, PERSON))
    if base is None:
        return
    source: Source = SOURCES[engagement.platform](connection)
    give = identify(load_playbook(engagement.platform))
    for piece in source.changes(PERSON, watermark(base)):
        for line in source.read(PERSON, piece):
            yield f"{PERSON}:{give(rawjson.read(line))}"


def _is_person(row: Mapping[str, Any]) -> bool:
    return row.get("accessmode") == 0 and not row.get("isdisabled") and not row.get("applicationid")


def _rows(session: HttpSession, table: str) -> Iterator[dict[str, Any]]:
    """The rows of a table of production, however many, one at a time."""
    with closing(session.download(f"{CONTROL}tables/{table}")) as lines:
        yield from (json.loads(line) for line in lines if line.strip())
