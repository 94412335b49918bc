"""Microsoft's own Python client against the simulator: tables, columns, relationships, keys, and batches of everything."""

import sys
from enum import IntEnum

import pandas
import pytest
from PowerPlatform.Dataverse.core.errors import HttpError, MetadataError
from PowerPlatform.Dataverse.models.labels import Label, LocalizedLabel
from PowerPlatform.Dataverse.models.relationship import (
    CascadeConfiguration,
    LookupAttributeMetadata,
    ManyToManyRelationshipMetadata,
    OneToManyRelationshipMetadata,
)
from PowerPlatform.Dataverse.operations.batch import (
    BatchDataFrameOperations,
    BatchOperations,
    BatchQueryOperations,
    BatchRecordOperations,
    BatchRequest,
    BatchTableOperations,
    ChangeSetRecordOperations,
)
from PowerPlatform.Dataverse.operations.tables import TableOperations

from tests.simulators.dataverse_organisation import organisation, publisher
from tests.simulators.microsoft_client import connect, not_called


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        publisher(served, "new")
        own = served.get("publishers?$filter=uniquename eq 'new'")["value"][0]["publisherid"]
        solution = {"uniquename": "Ours", "friendlyname": "Ours", "version": "1.0", "publisherid@odata.bind": f"/publishers({own})"}
        served.create("solutions", solution)
        yield served


@pytest.fixture(scope="module")
def client(org):
    with connect(org.address) as made:
        yield made


def label(text):
    return Label([LocalizedLabel(text, 1033)])


def one_to_many(name, delete="RemoveLink"):
    """The models of a lookup new_<name>Id of contacts to accounts."""
    lookup = LookupAttributeMetadata(f"new_{name}Id", label(name))
    cascade = CascadeConfiguration(delete=delete)
    return lookup, OneToManyRelationshipMetadata(f"new_account_contact_{name}", "account", "contact", "accountid", cascade)


def test_the_suite_calls_everything_that_the_client_offers():
    module = sys.modules[__name__]
    receivers = {
        "client.tables": TableOperations, "client.batch": BatchOperations, "batch": BatchRequest, "batch.records": BatchRecordOperations,
        "batch.tables": BatchTableOperations, "batch.query": BatchQueryOperations, "batch.dataframe": BatchDataFrameOperations,
        "changes.records": ChangeSetRecordOperations,
    }  # fmt: skip
    assert [name for receiver, cls in receivers.items() for name in not_called(module, receiver, cls)] == []


def test_columns_of_every_type_that_it_makes_can_be_added_and_removed(client, org):
    columns = {"new_text": "string", "new_long": "memo", "new_whole": "int", "new_dec": "decimal", "new_float": "float",
               "new_day": "datetime", "new_yes": "bool", "new_doc": "file", "new_size": Size}  # fmt: skip
    assert client.tables.get("contact")["entity_set_name"] == "contacts"
    assert client.tables.add_columns("contact", columns) == list(columns)
    values = {
        "new_text": "t",
        "new_whole": 3,
        "new_float": 1.23456,
        "new_yes": True,
        "new_size": "LARGE",
        "new_day": "2024-02-29T00:00:00Z",
    }
    row = client.records.create("contact", {"lastname": "Typed", **values})
    got = org.get(f"contacts({row})?$select={','.join(values)}")
    assert {name: got[name] for name in values} == {**values, "new_size": 2}
    assert client.tables.remove_columns("contact", list(columns)) == list(columns)
    with pytest.raises(HttpError):
        client.records.create("contact", {"lastname": "Typed", "new_text": "gone"})
    client.tables.add_columns("contact", {"new_doc": "file"})  # the column of its name went along
    client.tables.remove_columns("contact", "new_doc")


def test_limits_of_columns_are_set_read_typed_and_changed(client):
    client.tables.add_columns("account", {"new_Grade": {"type": "int", "min_value": 1, "max_value": 5, "display_name": "Grade"}})
    typed = client.tables.get_column("account", "new_Grade", typed=True)
    assert (typed["MinValue"], typed["MaxValue"], "IsValidForCreate" in typed) == (1, 5, False)
    assert client.tables.update_column("account", "new_Grade", {"max_value": 9}) == "new_Grade"
    client.records.create("account", {"name": "Graded", "new_grade": 9})
    with pytest.raises(HttpError) as caught:
        client.records.create("account", {"name": "Graded", "new_grade": 10})
    assert caught.value.details["service_error_code"] == "0x8004432f"
    client.tables.add_columns("account", {"new_Motto": "string", "new_Rate": "decimal"})
    changes = {"new_Motto": {"max_length": 10, "required": "Recommended", "display_name": "Our motto"}, "new_Rate": {"precision": 4}}
    client.tables.update_columns("account", changes)
    motto = client.tables.get_column("account", "new_Motto", select=["LogicalName", "RequiredLevel", "DisplayName"])
    assert (motto["RequiredLevel"]["Value"], motto["DisplayName"]["UserLocalizedLabel"]["Label"]) == ("Recommended", "Our motto")
    listed = {column["LogicalName"]: column for column in client.tables.list_columns("account", typed=True)}
    assert (listed["new_motto"]["MaxLength"], listed["new_rate"]["Precision"]) == (10, 4)
    assert client.tables.get_column("account", "nosuch") is None
    strings = client.tables.list_columns("account", select=["LogicalName"], filter="AttributeType eq 'String'")
    assert {"name", "new_motto"} <= {column["LogicalName"] for column in strings}
    with pytest.raises(MetadataError):
        client.tables.list_columns("nosuch", typed=True)


def test_a_table_with_a_lookup_can_be_made_listed_and_deleted(client, org):
    info = client.tables.create("new_Thing", {"new_Code": "string", "new_Size": Size}, solution="Ours", primary_column="new_Title",
                                display_name="Thing")  # fmt: skip
    assert (info["entity_set_name"], info.get("primary_name_attribute")) == ("new_things", "new_title")
    assert org.get("solutioncomponents?$filter=componenttype eq 1")["value"][0]["objectid"] == info["metadata_id"]
    client.tables.create_lookup_field("new_Thing", "new_AccountId", "account", display_name="Owner", required=True)
    account = client.records.create("account", {"name": "Parent"})
    thing = client.records.create("new_thing", {"new_title": "T", "new_size": "SMALL", "new_AccountId@odata.bind": f"/accounts({account})"})
    assert client.records.retrieve("new_thing", thing, select=["_new_accountid_value"])["_new_accountid_value"] == account
    listed = client.tables.list(filter="IsCustomEntity eq true", select=["LogicalName", "EntitySetName"])
    assert [(t["LogicalName"], t["EntitySetName"]) for t in listed] == [("new_thing", "new_things")]
    with pytest.raises(MetadataError):
        client.tables.create("new_Thing", {})
    client.tables.delete("new_Thing")
    assert client.tables.get("new_Thing") is None
    with pytest.raises(MetadataError):
        client.records.create("new_thing2", {})


def test_relationships_are_made_found_listed_and_deleted(client):
    made = client.tables.create_one_to_many_relationship(*one_to_many("Partner", delete="Cascade"), solution="Ours")
    account = client.records.create("account", {"name": "Partner"})
    contact = client.records.create("contact", {"lastname": "Partnered", "new_PartnerId@odata.bind": f"/accounts({account})"})
    client.records.delete("account", account)
    assert client.records.retrieve("contact", contact) is None
    assert client.tables.get_relationship("new_account_contact_Partner").relationship_id == made.relationship_id
    both = ManyToManyRelationshipMetadata("new_account_contact_both", "account", "contact", "new_account_contact_both")
    many = client.tables.create_many_to_many_relationship(both)
    chosen = client.tables.list_relationships(filter="RelationshipType eq Microsoft.Dynamics.CRM.RelationshipType'ManyToManyRelationship'")
    assert "new_account_contact_both" in {r["SchemaName"] for r in chosen}
    assert not any("ReferencedEntity" in r for r in chosen)
    of_contact = {r["SchemaName"] for r in client.tables.list_table_relationships("contact", select=["SchemaName"])}
    assert {"new_account_contact_Partner", "new_account_contact_both"} <= of_contact
    for relationship in (made, many):
        client.tables.delete_relationship(relationship.relationship_id)
    assert client.tables.get_relationship("new_account_contact_Partner") is None
    with pytest.raises(HttpError):
        client.records.create("contact", {"lastname": "Late", "new_PartnerId@odata.bind": f"/accounts({account})"})


def test_alternate_keys_are_made_watched_and_deleted(client, org):
    org.control("keys", {"build_s": 60})
    client.tables.create_alternate_key("lead", "new_leadkey", ["emailaddress1"], display_name="Lead key")
    (key,) = client.tables.get_alternate_keys("lead")
    assert (key.schema_name, key.status) == ("new_leadkey", "Pending")
    with pytest.raises(HttpError):
        client.records.upsert("lead", [{"alternate_key": {"emailaddress1": "a@b.example"}, "record": {"subject": "s"}}])
    client.tables.delete_alternate_key("lead", key.metadata_id)
    org.control("keys", {"build_s": 0})
    assert client.tables.get_alternate_keys("lead") == []


def test_batches_run_with_change_sets_and_go_on_after_errors(client):
    batch = client.batch.new()
    with batch.changeset() as changes:
        account = changes.records.create("account", {"name": "In a set"})
        contact = changes.records.create("contact", {"lastname": "In a set", "parentcustomerid_account@odata.bind": account})
        changes.records.update("contact", contact, {"jobtitle": "Set"})
        gone = changes.records.create("contact", {"lastname": "Gone"})
        changes.records.delete("contact", gone)
    batch.records.create("contact", {"lastname": "x" * 51})
    batch.records.list("contact", filter="lastname eq 'In a set'", select=["_parentcustomerid_value", "jobtitle"])
    result = batch.execute(continue_on_error=True)
    assert [r.status_code for r in result.responses] == [204] * 5 + [400, 200]
    assert [r.error_code for r in result.failed] == ["0x80044331"]
    row = result.responses[6].data["value"][0]
    assert (row["_parentcustomerid_value"], row["jobtitle"]) == (result.responses[0].entity_id, "Set")
    assert not client.records.list("contact", filter="lastname eq 'Gone'")


def test_a_change_set_with_one_bad_row_does_nothing_and_a_batch_stops_there(client):
    batch = client.batch.new()
    with batch.changeset() as changes:
        changes.records.create("account", {"name": "Undone"})
        changes.records.create("account", {"name": "x" * 161})
    batch.records.create("account", {"name": "Undone"})
    result = batch.execute()
    assert ([r.status_code for r in result.responses], result.has_errors) == ([400], True)
    assert not client.records.list("account", filter="name eq 'Undone'")


def test_records_of_a_batch_are_written_read_and_deleted(client, org):
    client.tables.create_alternate_key("product", "new_numberkey", ["productnumber"])
    ids = client.records.create("contact", [{"lastname": f"Batch {n}"} for n in range(8)])
    frame = pandas.DataFrame({"contactid": ids[4:6], "jobtitle": ["f", "f"]})
    batch = client.batch.new()
    batch.records.create("contact", [{"lastname": "Batch 8"}, {"lastname": "Batch 9"}])
    batch.records.update("contact", ids[0], {"jobtitle": "a"})
    batch.records.update("contact", ids[1:3], [{"jobtitle": "b"}, {"jobtitle": "c"}])
    batch.records.upsert("account", [{"alternate_key": {"accountid": ids[0]}, "record": {"name": "Batched"}}])
    batch.dataframe.create("contact", pandas.DataFrame([{"lastname": "Batch 10"}]))
    batch.dataframe.update("contact", frame, id_column="contactid")
    batch.records.delete("contact", ids[3])
    batch.records.delete("contact", ids[4:5], use_bulk_delete=False)
    batch.dataframe.delete("contact", pandas.Series(ids[6:]))
    batch.records.retrieve("contact", ids[1], select=["jobtitle"])
    batch.query.sql("SELECT lastname, jobtitle FROM contact WHERE lastname LIKE 'Batch%' ORDER BY lastname")
    with pytest.deprecated_call():
        batch.records.get("contact", ids[2], select=["jobtitle"])
    result = batch.execute(continue_on_error=True)
    assert [(r.error_code, r.error_message) for r in result.failed] == []
    found = {row["lastname"]: row["jobtitle"] for row in result.responses[-2].data["value"]}
    assert found == {"Batch 0": "a", "Batch 1": "b", "Batch 2": "c", "Batch 5": "f", "Batch 8": None, "Batch 9": None, "Batch 10": None}
    assert (result.responses[-3].data["jobtitle"], result.responses[-1].data["jobtitle"]) == ("b", "c")
    assert org.get(f"accounts({ids[0]})?$select=name")["name"] == "Batched"


def test_tables_of_a_batch_are_made_read_and_deleted(client):
    batch = client.batch.new()
    batch.tables.create("new_Batched", {"new_Code": "string"}, solution="Ours")
    batch.tables.create_lookup_field("contact", "new_SponsorId", "account")
    batch.tables.create_one_to_many_relationship(*one_to_many("Adviser"))
    batch.tables.create_many_to_many_relationship(ManyToManyRelationshipMetadata("new_batched_both", "lead", "contact", "new_batched_both"))
    batch.tables.get("new_Batched")
    batch.tables.list(filter="LogicalName eq 'new_batched'", select=["LogicalName"])
    batch.tables.get_relationship("new_account_contact_Adviser")
    made = batch.execute()
    assert [(r.status_code, r.error_message) for r in made.failed] == []
    assert made.responses[4].data["value"][0]["EntitySetName"] == "new_batcheds"
    assert [t["LogicalName"] for t in made.responses[5].data["value"]] == ["new_batched"]
    relationship = made.responses[6].data["value"][0]["MetadataId"]
    assert relationship == made.responses[2].entity_id

    batch = client.batch.new()
    batch.tables.add_columns("new_Batched", {"new_More": "int", "new_Yes": "bool"})
    batch.tables.remove_columns("new_Batched", ["new_Code"])
    batch.tables.delete_relationship(relationship)
    batch.tables.delete("new_Batched")
    assert not batch.execute().has_errors
    assert client.tables.get("new_Batched") is None


def test_choices_are_read_anew_when_the_clients_cache_is_flushed(client, org):
    client.tables.add_columns("lead", {"new_Mood": Size})
    client.records.create("lead", {"subject": "s", "new_mood": "SMALL"})
    option = {"AttributeLogicalName": "new_mood", "EntityLogicalName": "lead", "Value": 3,
              "Label": {"LocalizedLabels": [{"Label": "HUGE", "LanguageCode": 1033}]}}  # fmt: skip
    assert org.call("POST", "InsertOptionValue", option).status_code == 200
    with pytest.raises(HttpError):
        client.records.create("lead", {"subject": "s", "new_mood": "HUGE"})
    assert client.flush_cache("picklist") >= 1
    lead = client.records.create("lead", {"subject": "s", "new_mood": "HUGE"})
    assert client.records.retrieve("lead", lead, select=["new_mood"])["new_mood"] == 3
