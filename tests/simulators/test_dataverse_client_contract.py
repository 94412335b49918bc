"""Microsoft's own Python client against the simulator: the calls that a migration makes with it."""

import time
from enum import IntEnum

import pytest
from azure.core.credentials import AccessToken
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.filters import col

from tests.simulators.dataverse_organisation import organisation, publisher, token


class Credential:
    def get_token(self, *scopes, **options):
        return AccessToken(token(audience=scopes[0].removesuffix("/.default")), int(time.time()) + 600)


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        publisher(served, "new")
        yield served


@pytest.fixture(scope="module")
def client(org):
    made = DataverseClient("https://organisation.invalid", Credential())
    made._base_url = org.address  # the constructor takes https only; this is the documented way around it
    with made:
        yield made


def test_records_are_created_read_changed_and_deleted(client):
    account = client.records.create("account", {"name": "Contoso", "industrycode": "Consulting"})
    assert client.records.retrieve("account", account, select=["name", "industrycode"])["industrycode"] == 7
    client.records.update("account", account, {"name": "Contoso Ltd"})
    assert client.records.retrieve("account", account, select=["name"])["name"] == "Contoso Ltd"
    client.records.delete("account", account)
    assert client.records.retrieve("account", account, select=["name"]) is None


def test_many_records_go_by_the_multiple_messages(client):
    ids = client.records.create("contact", [{"lastname": f"Bulk {n}"} for n in range(7)])
    assert len(set(ids)) == 7
    client.records.update("contact", ids, {"jobtitle": "Tester"})
    found = client.records.list("contact", filter="jobtitle eq 'Tester'", select=["lastname"], page_size=3)
    assert sorted(r["lastname"] for r in found) == [f"Bulk {n}" for n in range(7)]
    assert client.records.delete("contact", ids)
    assert not list(client.records.list("contact", filter="jobtitle eq 'Tester'"))


def test_upserts_go_by_an_alternate_key(client):
    client.tables.create_alternate_key("account", "new_numberkey", ["accountnumber"])
    assert [k.status for k in client.tables.get_alternate_keys("account")] == ["Active"]
    one = {"alternate_key": {"accountnumber": "O'1"}, "record": {"name": "One"}}
    client.records.upsert("account", [one])
    client.records.upsert("account", [{**one, "record": {"name": "One again"}},
                                      {"alternate_key": {"accountnumber": "O2"}, "record": {"name": "Two"}}])  # fmt: skip
    ordered = {"select": ["name", "accountnumber"], "orderby": ["accountnumber"]}
    found = client.records.list("account", filter="startswith(accountnumber,'O')", **ordered)
    assert [(r["accountnumber"], r["name"]) for r in found] == [("O'1", "One again"), ("O2", "Two")]


def test_queries_are_built_paged_and_annotated(client):
    client.records.create("lead", [{"subject": f"Query {n}", "lastname": "Q", "leadqualitycode": 1 + n % 2} for n in range(5)])
    query = client.query.builder("lead").select("subject", "leadqualitycode").where(col("leadqualitycode") == 1).order_by("subject")
    result = query.include_formatted_values().page_size(2).execute()
    rows = [r for r in result]
    assert [r["subject"] for r in rows] == ["Query 0", "Query 2", "Query 4"]
    assert rows[0]["leadqualitycode@OData.Community.Display.V1.FormattedValue"] == "Hot"
    within = client.query.builder("lead").where(col("subject").in_(["Query 1", "Query 3", "no"])).execute()
    assert len(list(within)) == 2


def test_columns_of_every_type_that_it_makes_can_be_added_and_removed(client, org):
    class Size(IntEnum):
        SMALL = 1
        LARGE = 2

    columns = {"new_text": "string", "new_long": "memo", "new_whole": "int", "new_dec": "decimal", "new_day": "datetime", "new_yes": "bool",
               "new_size": Size}  # fmt: skip
    assert client.tables.get("contact")["entity_set_name"] == "contacts"
    assert len(client.tables.add_columns("contact", columns)) == 7
    row = client.records.create("contact", {"lastname": "Typed", "new_text": "t", "new_whole": 3, "new_yes": True, "new_size": "LARGE"})
    assert org.get(f"contacts({row})?$select=new_size,new_yes")["new_size"] == 2
    client.tables.remove_columns("contact", ["new_text"])
    with pytest.raises(HttpError):
        client.records.create("contact", {"lastname": "Typed", "new_text": "gone"})


def test_a_table_with_relationships_can_be_made_and_deleted(client):
    info = client.tables.create("new_Thing", {"new_Code": "string"})
    assert info["entity_set_name"] == "new_things"
    client.tables.create_lookup_field("new_Thing", "new_AccountId", "account")
    account = client.records.create("account", {"name": "Parent"})
    thing = client.records.create("new_thing", {"new_name": "T", "new_AccountId@odata.bind": f"/accounts({account})"})
    assert client.records.retrieve("new_thing", thing, select=["_new_accountid_value"])["_new_accountid_value"] == account
    client.tables.create("new_Other", {"new_Code": "string"})
    client.tables.delete("new_Other")
    assert client.tables.get("new_Other") is None


def test_batches_run_with_change_sets_and_go_on_after_errors(client):
    batch = client.batch.new()
    with batch.changeset() as changes:
        account = changes.records.create("account", {"name": "In a set"})
        changes.records.create("contact", {"lastname": "In a set", "parentcustomerid_account@odata.bind": account})
    batch.records.create("contact", {"lastname": "x" * 51})
    batch.records.list("contact", filter="lastname eq 'In a set'", select=["_parentcustomerid_value"])
    result = batch.execute(continue_on_error=True)
    assert [r.status_code for r in result.responses] == [204, 204, 400, 200]
    assert result.responses[2].error_code == "0x80044331"
    assert result.responses[3].data["value"][0]["_parentcustomerid_value"] == result.responses[0].entity_id


def test_a_refusal_reaches_the_caller_with_the_services_code(client):
    with pytest.raises(HttpError) as caught:
        client.records.create("account", {"nosuchcolumn": 1})
    assert caught.value.details["service_error_code"] == "0x80048d19"
