"""Campaigns, templates, catalogs, metadata and events of one person, over a generated world."""

import contextlib
import json

import orjson
import pytest
import requests

from connectors.simulators import iterable
from connectors.simulators.world import write_world
from tests import simulated


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("world")
    write_world(made, 200, 3)
    table = {"results": [{"table": "rates", "key": "EUR", "lastModified": 1, "value": {"rate": 1}}]}
    (made / "iterable/metadata").mkdir()
    (made / "iterable/metadata/rates.json").write_text(json.dumps(table))
    (made / "iterable/metadata.json").write_text(json.dumps({"results": [{"name": "rates"}]}))
    return made


@contextlib.contextmanager
def address_of(folder):
    with simulated.serve(iterable.build_app(folder, api_key="a-key")) as address:
        yield address


@pytest.fixture(scope="module")
def address(folder):
    with address_of(folder) as made:
        yield made


@pytest.fixture(scope="module")
def get(address):
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Api-Key"] = "a-key"
        yield lambda path, **params: session.get(f"{address}/api/{path}", params=params, timeout=10)


def exported(folder, name):
    return [orjson.loads(line) for line in (folder / f"iterable/export/{name}.ndjson").read_bytes().splitlines()]


def busiest(folder):
    events = [row for row in exported(folder, "customEvent") if isinstance(row.get("email"), str) and row.get("userId")]
    emails = [row["email"] for row in events]
    return next(row for row in events if row["email"] == max(set(emails), key=emails.count))


def test_campaigns_come_all_at_once_by_pages_or_by_state(get):
    whole = get("campaigns").json()
    assert len(whole["campaigns"]) == whole["totalCampaignsCount"] >= 40
    page = get("campaigns", page=1, pageSize=7, sort="-updatedAt").json()
    stamps = [row["updatedAt"] for row in page["campaigns"]]
    assert (len(stamps), stamps) == (7, sorted(stamps, reverse=True))
    assert page["nextPageUrl"]
    states = {row["campaignState"] for row in get("campaigns", campaignState=["Draft", "Archived"]).json()["campaigns"]}
    assert states == {"Draft", "Archived"}
    child = next(row for row in whole["campaigns"] if row.get("recurringCampaignId") == 7108)
    assert child in get("campaigns/recurring/7108/childCampaigns").json()["campaigns"]
    assert get("campaigns/7108").json()["campaignState"] == "Recurring"
    assert get("campaigns/1").status_code == 404


def test_metrics_are_text_with_a_header_and_a_line_for_each_campaign_that_has_one(get):
    campaigns = get("campaigns", campaignState="Finished").json()["campaigns"]
    answer = get("campaigns/metrics", campaignId=[row["id"] for row in campaigns[:3]] + [1])
    assert answer.headers["content-type"].startswith("text/csv")
    header, *lines = answer.text.splitlines()
    assert header.startswith("id,Average Custom Conversion Value,")
    assert {len(line.split(",")) for line in lines} == {len(header.split(","))}
    assert lines


def test_templates_are_listed_by_type_medium_and_day_and_read_one_by_one(get):
    whole = get("templates", pageSize=1000).json()
    loops = [get("templates", pageSize=1000, templateType=kind, messageMedium=medium).json()["templates"]
             for kind in ("Base", "Blast", "Triggered", "Workflow") for medium in ("Email", "Push", "InApp", "SMS")]  # fmt: skip
    assert sorted(row["templateId"] for rows in loops for row in rows) == [row["templateId"] for row in whole["templates"]]
    early = get("templates", pageSize=1000, endDateTime="2023-01-01 00:00:00").json()["templates"]
    late = get("templates", pageSize=1000, startDateTime="2023-01-01 00:00:00").json()["templates"]
    assert len(early) + len(late) == whole["totalTemplatesCount"]
    assert early
    assert get("templates", startDateTime="soon").status_code == 400
    email = get("templates/email/get", templateId=8101).json()
    assert "{{" in email["subject"] + email["html"]
    assert "templateType" not in email
    assert get("templates/email/get", templateId=8101, locale="fr").status_code == 404
    assert get("templates/push/get", templateId=8101).status_code == 404
    found = get("templates/getByClientTemplateId", clientTemplateId="base-1").json()["templates"]
    assert [row["name"] for row in found] == ["Base layout (old)"]


def test_catalogs_are_wrapped_and_their_names_have_no_case(get):
    names = [row["name"] for row in get("catalogs").json()["params"]["catalogNames"]]
    assert "products" in names
    first = get("catalogs/Products/items", pageSize=1000).json()["params"]
    assert len(first["catalogItemsWithProperties"]) == first["totalItemsCount"]
    item = first["catalogItemsWithProperties"][0]
    assert get(f"catalogs/products/items/{item['itemId']}").json() == item
    assert "price" in get("catalogs/products/fieldMappings").json()["params"]["undefinedFields"]
    assert get("catalogs/no-such/items").json()["params"]["totalItemsCount"] == 0


def test_one_persons_events_are_the_newest_and_the_export_has_all(folder, get):
    person = busiest(folder)
    mine = [row for row in exported(folder, "customEvent") if str(row.get("email")).lower() == person["email"].lower()]
    newest = get(f"events/{person['email'].upper()}", limit=3).json()["events"]
    assert [row["createdAt"] for row in newest] == sorted((str(row.get("createdAt")) for row in mine), reverse=True)[:3]
    assert get(f"events/byUserId/{person['userId']}").json()["events"]
    assert get("events/nobody@nowhere.example").json() == {"events": []}
    assert get(f"events/{person['email']}", limit="x").status_code == 400
    every = [
        orjson.loads(line) for line in get("export/userEvents", email=person["email"], includeCustomEvents="true").content.splitlines()
    ]
    assert [row for row in every if row["_type"] == "customEvent"] == [{"_type": "customEvent"} | row for row in mine]
    some = get("export/userEvents", email=person["email"]).content.splitlines()
    assert len(some) == len(every) - len(mine)
    assert get("export/userEvents").status_code == 400


@pytest.mark.parametrize("name", ["customEvent", "purchase", "emailSubscribe", "emailUnSubscribe"])
def test_every_event_of_the_world_is_exported_byte_for_byte(folder, get, name):
    whole = get("export/data.json", dataTypeName=name, range="All").content
    assert whole == (folder / f"iterable/export/{name}.ndjson").read_bytes()


def test_metadata_tables_have_keys_and_values(get):
    assert get("metadata").json() == {"results": [{"name": "rates"}]}
    assert get("metadata/rates").json() == {"results": [{"table": "rates", "key": "EUR", "lastModified": 1}]}
    assert get("metadata/rates/EUR").json()["value"] == {"rate": 1}
    assert get("metadata/rates/USD").status_code == 404
    assert get("metadata/none").json() == {"results": []}


def test_a_strangers_folder_is_served_whatever_its_rows_and_ids_are(tmp_path):
    odd = [{"id": 7, "name": "a", "createdAt": "soon"}, {"id": "seven"}, {"id": None}, {"id": [7]}, {"id": 1.5}, {}, "text", None, [1]]
    (tmp_path / "iterable/templates/email").mkdir(parents=True)
    (tmp_path / "iterable/catalogs/products").mkdir(parents=True)
    for name in ("journeys", "campaigns", "lists"):
        (tmp_path / f"iterable/{name}.json").write_text(json.dumps({name: odd}))
    (tmp_path / "iterable/snippets.json").write_text(json.dumps({"snippets": odd}))
    (tmp_path / "iterable/catalogs.json").write_text(json.dumps({"params": {"catalogNames": [{"name": "products"}, {}, {"name": 7}, "x"]}}))
    items = [{"itemId": 1, "value": None}, {"itemId": "1", "value": {"a": 1}}, {"value": [1]}, [1]]
    (tmp_path / "iterable/catalogs/products/items.ndjson").write_text("".join(json.dumps(one) + "\n" for one in items))
    for number, one in enumerate(odd):
        template = {**one, "templateId": one.get("id")} if isinstance(one, dict) else one
        (tmp_path / f"iterable/templates/email/{number}.json").write_text(json.dumps(template))
    paths = ["journeys", "journeys?state=Archived", "campaigns", "campaigns?campaignState=Draft", "campaigns?page=1", "lists", "templates",
             "templates?startDateTime=2023-01-01 00:00:00", "templates/email/get?templateId=0", "snippets/seven", "catalogs",
             "catalogs/products/items?orderBy=itemId", "catalogs/products/fieldMappings", "templates/getByClientTemplateId"]  # fmt: skip
    with address_of(tmp_path) as address, requests.Session() as session:
        session.trust_env = False
        session.headers["Api-Key"] = "a-key"
        for sort in ("id", "-id", "templateId", "name"):
            for path in paths:
                answer = session.get(f"{address}/api/{path}{'&' if '?' in path else '?'}sort={sort}", timeout=10)
                assert answer.status_code == 200, f"{path}: {answer.text}"
        assert session.get(f"{address}/api/templates?pageSize=50").json()["totalTemplatesCount"] == 6
        assert session.get(f"{address}/api/journeys?pageSize=50").json()["totalJourneysCount"] == len(odd)
