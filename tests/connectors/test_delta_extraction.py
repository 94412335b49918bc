"""A delta extraction against the simulated platform: complete again, with what changed, without what is gone, and little asked for."""

import json
import time
from pathlib import Path

import pytest

from connectors import landing
from connectors.carrying import base_of
from connectors.extraction import Time, extract
from connectors.iterable.source import LIMITS, IterableSource
from connectors.models import Dataset
from tests import simulated
from tests.connectors.connections import FakeConnection
from tests.folders import user
from tests.pages import cast
from workbench.engagements import gates

pytestmark = [pytest.mark.database, pytest.mark.django_db]
BEFORE, NEWEST, LATER = "2024-05-05 08:00:00 +00:00", "2025-02-01 08:00:00 +00:00", "2025-03-01 08:00:00 +00:00"
AHEAD = "2099-01-01 00:00:00 +00:00"
FAST = {bucket: [10_000, 0.01] for bucket in LIMITS}
BROKEN = b'{"email": "broken'

FIRST = [
    user("u-same", "same@north.example", note="as it was"),
    user("u-ahead", "ahead@north.example", profileUpdatedAt=AHEAD),
    user("u-changed", "changed@north.example", profileUpdatedAt=BEFORE),
    user("u-gone", "gone@north.example", profileUpdatedAt=BEFORE),
    user("u-left", "left@north.example", profileUpdatedAt=BEFORE),
    user(None, "twice@north.example", profileUpdatedAt=BEFORE),
    user(None, "Twice@north.example", profileUpdatedAt=BEFORE),
    user(None, None, profileUpdatedAt=BEFORE, note="nobody"),
]
SECOND = [
    *FIRST[:2],
    user("u-changed", "changed@north.example", profileUpdatedAt=LATER, note="new"),
    # Left a channel without any sign of it in its moment.
    user("u-left", "left@north.example", profileUpdatedAt=BEFORE, unsubscribedChannelIds=[31]),
    *FIRST[5:],
    user("u-new", "new@north.example", profileUpdatedAt=LATER),
    user("u-late", "late@north.example", profileUpdatedAt="2023-01-01 00:00:00 +00:00"),
]


def event(name: str, at: str) -> dict:
    return {"email": "same@north.example", "eventName": name, "createdAt": at}


def write(folder: Path, users: list[dict], events: list[dict]) -> None:
    export = folder / "iterable" / "export"
    export.mkdir(parents=True)
    (export / "user.ndjson").write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in users) + BROKEN + b"\n")
    (export / "customEvent.ndjson").write_text("".join(json.dumps(one) + "\n" for one in events))


@pytest.fixture
def servers(tmp_path: Path, monkeypatch):
    events = [event("login", BEFORE), event("login", BEFORE), event("login", NEWEST)]
    write(tmp_path, FIRST, events)
    write(tmp_path / "later", SECOND, [*events, event("logout", LATER)])
    monkeypatch.setattr(gates, "_gates", {})
    with simulated.start(tmp_path, only=["iterable"]) as running:
        yield running


@pytest.fixture
def land(servers):
    engagement = cast.make_engagement("Northwind")
    source = IterableSource(FakeConnection(servers.iterable, secret=servers.credentials["iterable"], settings={"limits": FAST}))
    said: list[str] = []

    def do(name: str, origin: str = "here", *, delta: bool, time_given: Time = Time()) -> Dataset:  # noqa: B008 - it can't change
        said.clear()
        base = base_of(engagement, name, origin) if delta else None
        given = {"engagement": engagement, "source": source, "object_name": name, "purpose": "load", "identify": identify}
        while (dataset := extract(**given, progress=said.append, origin=origin, base=base, time_given=time_given)) is None:
            time.sleep(0.02)
            assert len(said) < 1_000
        return dataset

    do.said = said
    yield do
    source.close()


def identify(record: dict) -> str:
    return record.get("userId") or record.get("email", "").lower() or f"no id: {record}"


def raws(dataset: Dataset) -> list[bytes]:
    return sorted(landed.raw for landed in landing.scan(dataset))


def as_source(users: list[dict]) -> list[bytes]:
    return sorted([*(json.dumps(one).encode() for one in users), BROKEN])


@pytest.mark.parametrize("time_given", [Time(), Time(until=0)])
def test_a_delta_of_people_is_what_the_source_has_now_byte_by_byte(land, servers, time_given):
    assert raws(land("user", delta=False)) == as_source(FIRST)
    servers.advance("iterable")
    dataset = land("user", delta=True, time_given=time_given)
    assert raws(dataset) == as_source(SECOND)
    assert (dataset.rows, dataset.bad_rows) == (len(SECOND) + 1, 1)
    assert raws(land("user", delta=True)) == as_source(SECOND)


def test_the_watermark_is_the_greatest_moment_landed_and_neither_the_clock_nor_one_that_runs_ahead(land, servers):
    land("user", delta=False)
    servers.advance("iterable")
    land("user", delta=True)
    assert land.said[0].startswith("user: since 2025-02-01 07:55:00, ")


def test_a_delta_without_changes_asks_for_nothing_but_the_overlap(land):
    land("user", delta=False)
    dataset = land("user", delta=True)
    assert raws(dataset) == as_source(FIRST)
    fetched = dataset.pieces.filter(number__gt=landing.CARRIED)
    assert [(piece.name, piece.rows) for piece in fetched] == [("since 2025-02-01 07:55:00", 2)]


def test_events_are_added_and_those_of_the_overlap_stand_once(land, servers):
    first = land("customEvent", delta=False)
    assert first.rows == 3
    servers.advance("iterable")
    dataset = land("customEvent", delta=True)
    assert (dataset.rows, dataset.repeated_rows) == (4, 1)
    assert [json.loads(raw)["eventName"] for raw in raws(dataset)].count("logout") == 1
    assert raws(first) == [raw for raw in raws(dataset) if b"logout" not in raw]


def test_what_came_from_elsewhere_or_got_other_ids_is_not_built_upon(land):
    land("user", delta=False)
    dataset = land("user", origin="elsewhere", delta=True)
    assert dataset.base is None
    assert raws(dataset) == as_source(FIRST)
