"""The source against the simulated platform: real servers, real faults, the world's own dirt."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.http import Throttled, Unauthorized
from connectors.iterable.source import LIMITS, IterableSource
from tests import simulated
from tests.connectors.connections import FakeConnection

SCALED = {bucket: [calls, seconds / 60] for bucket, (calls, seconds) in LIMITS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    (folder / "iterable" / "export").mkdir(parents=True)
    rows = [
        b'{"email":"p%d@north.example","n":1.50,"profileUpdatedAt":"20%02d-02-01 08:00:00 +00:00"}' % (n, 10 + n % 20) for n in range(4000)
    ]
    rows[7:7] = [b'{"email": "clock@north.example", "profileUpdatedAt": "2099-01-01 00:00:00 +00:00"}']
    (folder / "iterable" / "export" / "user.ndjson").write_bytes(b"\n".join(rows) + b"\n")
    (folder / "iterable" / "lists").mkdir()
    (folder / "iterable" / "lists.json").write_text(
        '{"lists":[{"id":4101,"name":"VIP","description":"","createdAt":1,"listType":"Dynamic"}]}'
    )
    (folder / "iterable" / "lists" / "4101.txt").write_text("u-1\np2@north.example\n")
    return folder


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[simulated.Simulated]:
    with simulated.start(folder, only=["iterable"], limits="scaled") as running:
        yield running


@pytest.fixture
def source(servers: simulated.Simulated) -> Iterator[IterableSource]:
    servers.fault("iterable")
    connection = FakeConnection(servers.iterable, secret=servers.credentials["iterable"], settings={"limits": SCALED})
    opened = IterableSource(connection, backoff_s=0.02)
    yield opened
    opened.close()
    servers.fault("iterable")


def everything(source: IterableSource) -> list[bytes]:
    return [line for piece in source.slices("user", datetime.now(UTC)) for line in source.read("user", piece)]


def test_every_profile_is_extracted_once_byte_by_byte_even_with_a_clock_that_runs_ahead(source: IterableSource, folder: Path):
    lines = everything(source)
    assert sorted(lines) == sorted((folder / "iterable/export/user.ndjson").read_bytes().splitlines())
    assert source.stats["throttled"] * 5 < source.stats["requests"]  # the pace is ours; a loaded machine blurs windows of 17 ms


def test_nothing_is_lost_or_doubled_while_the_platform_stumbles(source: IterableSource, servers: simulated.Simulated):
    servers.fault(
        "iterable",
        {"path": "export", "do": "status", "status": 429, "rate": 0.15},
        {"path": "export/start", "do": "status", "status": 500, "times": 1},
        {"path": "files", "do": "status", "status": 503, "rate": 0.1},
        {"path": "files", "do": "drop", "rate": 0.1},
        {"path": "export/start", "do": "lose", "times": 2},
    )
    assert len(everything(source)) == 4001
    assert source.session.stats["retries"] > 0


def test_lists_and_their_members_and_missing_answers_are_read(source: IterableSource):
    assert [entry["id"] for entry in source.reference("lists")] == [4101]
    [piece] = source.slices("listMember", datetime.now(UTC))
    assert [json.loads(line)["user"] for line in source.read("listMember", piece)] == ["u-1", "p2@north.example"]
    assert source.reference("forgotten") == []
    assert [finding.check for finding in source.check()] == ["data_centre", "source_latency", "field_limit"]


def test_a_wrong_key_is_refused_with_a_remedy(servers: simulated.Simulated):
    source = IterableSource(FakeConnection(servers.iterable, secret="no-such-key"))
    with pytest.raises(Unauthorized) as caught:
        source.check()
    assert "https://api.eu.iterable.com" in caught.value.remedy


def test_a_pause_the_platform_asks_for_is_kept_or_said_where_it_is_too_long(source: IterableSource, servers: simulated.Simulated):
    throttled = {"path": "channels", "do": "status", "status": 429, "times": 1}
    servers.fault("iterable", {**throttled, "retry_after_s": 0.1})
    source.reference("channels")
    assert (source.stats["requests"], source.stats["throttled"]) == (2, 1)
    servers.fault("iterable", {**throttled, "retry_after_s": 3_600})
    with pytest.raises(Throttled) as caught:
        source.reference("channels")
    assert (caught.value.retry_after_s, source.stats["requests"]) == (3_600, 3)
