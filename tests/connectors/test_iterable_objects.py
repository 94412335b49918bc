"""Every object of the source against the simulated platform, as the made-up world has it."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Reading
from connectors.iterable import catalogs, listed
from connectors.iterable.paging import Listing, rows
from connectors.iterable.source import LIMITS, IterableSource
from tests import simulated
from tests.connectors.connections import FakeConnection
from tests.connectors.loopback import Received, Reply, Service

FREE = {bucket: [10_000, 0.01] for bucket in LIMITS}
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated.world(tmp_path_factory.mktemp("world"), people=150)


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[simulated.Simulated]:
    with simulated.start(folder, only=["iterable"]) as running:
        yield running


@pytest.fixture
def source(servers: simulated.Simulated) -> Iterator[IterableSource]:
    servers.fault("iterable")
    connection = FakeConnection(servers.iterable, secret=servers.credentials["iterable"], settings={"limits": FREE})
    opened = IterableSource(connection, backoff_s=0.01, attempts=3)
    yield opened
    opened.close()
    servers.fault("iterable")


def everything(source: IterableSource, name: str, reading: Reading | None = None) -> list[dict[str, Any]]:
    reading = reading or Reading()
    return [json.loads(line) for piece in source.slices(name, NOW) for line in source.read(name, piece, reading)]


def stored(folder: Path, name: str) -> Any:
    return json.loads((folder / "iterable" / name).read_text())


def test_campaigns_come_by_pages_each_once_and_as_the_api_says_them(source, folder, monkeypatch):
    monkeypatch.setattr(listed, "CAMPAIGNS", Listing("api/campaigns", "campaigns", "totalCampaignsCount", 7, {"sort": "id"}))
    assert list(rows(source.session, listed.CAMPAIGNS)) == stored(folder, "campaigns.json")["campaigns"]
    assert everything(source, "campaign") == stored(folder, "campaigns.json")["campaigns"]


def test_archived_journeys_are_asked_for_too(source, folder):
    found = everything(source, "journey")
    assert {row["id"] for row in found} == {row["id"] for row in stored(folder, "journeys.json")["journeys"]}
    assert {bool(row.get("isArchived")) for row in found} == {True, False}


def test_metrics_are_one_object_a_line_with_the_headers_names(source, folder):
    found = everything(source, "campaignMetric")
    header, *lines = (folder / "iterable" / "campaigns" / "metrics.csv").read_text().splitlines()
    campaigns = {str(row["id"]) for row in stored(folder, "campaigns.json")["campaigns"]}
    asked = [line.split(",") for line in lines if line.split(",")[0] in campaigns]
    assert sorted(map(list, (row.values() for row in found))) == sorted(asked)
    assert list(found[0]) == header.split(",")


def test_each_template_has_its_whole_content_and_its_medium_and_type_beside_it(source, folder, monkeypatch):
    monkeypatch.setattr(listed, "TEMPLATES_A_SLICE", 5)
    found = {row["templateId"]: row for row in everything(source, "template")}
    files = {path.stem: path for path in (folder / "iterable" / "templates").glob("*/*.json")}
    assert set(files) == set(map(str, found))
    media = {"email": "Email", "push": "Push", "sms": "SMS", "inapp": "InApp"}
    for name, path in files.items():
        assert found[int(name)] == json.loads(path.read_text()) | {"messageMedium": media[path.parent.name]}
    halves = source.halves(source.slices("template", NOW)[0])
    assert [len(listed.items(half)) for half in halves] == [2, 3] or len(listed.items(halves[0])) == 1


def test_a_template_without_content_is_kept_and_told(source, servers):
    servers.fault("iterable", {"path": "templates/push/get", "do": "status", "status": 404})
    reading = Reading()
    found = everything(source, "template", reading)
    pushes = [row for row in found if row["messageMedium"] == "Push"]
    assert pushes
    assert all("title" not in row for row in pushes)
    assert len(reading.findings) == len(pushes)


def test_items_of_every_catalog_come_with_their_catalogs_name(source, folder, monkeypatch):
    monkeypatch.setattr(catalogs, "PAGE", 10)
    monkeypatch.setattr(catalogs, "PAGES_A_SLICE", 2)
    found = everything(source, "catalogItem")
    paths = sorted((folder / "iterable" / "catalogs").glob("*/items.ndjson"))
    kept = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    assert Counter(map(json.dumps, found)) == Counter(map(json.dumps, kept))
    assert {"catalogName", "itemId", "lastModified", "size", "value"} == set(found[0])
    assert len(source.slices("catalogItem", NOW)) > len(paths)


def test_a_catalog_that_the_api_lists_and_gives_nothing_of_stops_no_other(tmp_path):
    (tmp_path / "iterable" / "catalogs" / "shop").mkdir(parents=True)
    names = [{"name": name} for name in ("../../etc", "x" * 300, "half \ud83d", "shop")]
    (tmp_path / "iterable" / "catalogs.json").write_text(json.dumps({"params": {"catalogNames": names}}))
    items = '{"itemId": "a", "value": {}}\n{"itemId": "a", "value": {"n": 1}}\n'
    (tmp_path / "iterable" / "catalogs" / "shop" / "items.ndjson").write_text(items)
    with simulated.start(tmp_path, only=["iterable"]) as servers:
        connection = FakeConnection(servers.iterable, secret=servers.credentials["iterable"], settings={"limits": FREE})
        source, reading = IterableSource(connection, backoff_s=0.01, attempts=2), Reading()
        found = everything(source, "catalogItem", reading)
        source.close()
    assert [(row["catalogName"], row["itemId"], row["value"]) for row in found] == [("shop", "a", {}), ("shop", "a", {"n": 1})]
    assert [finding.subject for finding in reading.findings] == ["../../etc", "x" * 300, "half \ufffd"]


def test_events_and_purchases_are_exported_byte_for_byte(source, folder):
    for name in ("customEvent", "purchase"):
        lines = [line for piece in source.slices(name, NOW) for line in source.read(name, piece)]
        assert set((folder / "iterable" / "export" / f"{name}.ndjson").read_bytes().splitlines()) == set(lines)


def test_a_subscription_says_which_export_it_came_from_and_is_else_as_it_was(source, folder):
    lines = [line for piece in source.slices("subscriptionEvent", NOW) for line in source.read("subscriptionEvent", piece)]
    kept = []
    for name in ("emailSubscribe", "emailUnSubscribe"):
        for line in (folder / "iterable" / "export" / f"{name}.ndjson").read_bytes().splitlines():
            kept.append(b'{"_type":"%b",' % name.encode() + line[1:] if line.startswith(b"{") else line)
    assert set(lines) == set(kept)


def test_only_the_fields_that_are_asked_for_are_exported(source, folder):
    found = everything(source, "purchase", Reading(fields=("total", "createdAt")))
    assert found
    assert {key for row in found for key in row} == {"total", "createdAt"}


def test_members_of_dynamic_lists_are_snapshots_by_user_id_or_address(source, folder):
    found = everything(source, "listMember")
    members = {n: (folder / "iterable" / "lists" / f"{n}.txt").read_text().split("\n")[:-1] for n in (4201, 4202)}
    assert {(row["list"], row["user"]) for row in found} >= {(n, user.strip()) for n, users in members.items() for user in users}
    assert all(row["id"] == f"{row['list']}:{row['user']}" for row in found)


def test_a_list_that_the_platform_withholds_is_a_finding_and_the_others_come(source, servers):
    servers.fault("iterable", {"path": "getUsers.*4201", "do": "status", "status": 503})
    reading = Reading()
    found = everything(source, "listMember", reading)
    assert {row["list"] for row in found} & {4201, 4202} == {4202}
    [finding] = reading.findings
    assert finding.check == "list members withheld"
    assert "4201" in finding.evidence


def test_rows_that_move_to_an_earlier_page_while_it_is_read_are_not_lost(service: Service):
    """A row of the first page is deleted after it was read: all others move up by one."""
    there = list(range(1, 8))

    def answer(request: Received) -> Reply:
        number = int(request.path.split("page=")[1].split("&")[0])
        if number == 2 and 1 in there:
            there.remove(1)
        return Reply(json={"things": [{"id": n} for n in there[(number - 1) * 3 : number * 3]], "total": len(there)})

    service.script = answer
    session = IterableSource(FakeConnection(service.url, settings={"limits": FREE})).session
    assert [row["id"] for row in rows(session, Listing("api/things", "things", "total", 3))] == [1, 2, 3, 4, 5, 6, 7]
