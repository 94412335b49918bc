import pytest

from tests.simulators.dataverse_organisation import NS, label, organisation, publisher

CONTACT = "EntityDefinitions(LogicalName='contact')"


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        publisher(served)
        yield served


def attribute(org, name, cast="", table="contact"):
    return org.get(f"EntityDefinitions(LogicalName='{table}')/Attributes(LogicalName='{name}'){cast}")


def test_tables_are_found_by_name_with_what_was_selected(org):
    found = org.get("EntityDefinitions?$select=LogicalName,EntitySetName,PrimaryIdAttribute&$filter=LogicalName eq 'opportunity'")["value"]
    assert [{k: v for k, v in f.items() if k != "MetadataId"} for f in found] == [
        {"LogicalName": "opportunity", "EntitySetName": "opportunities", "PrimaryIdAttribute": "opportunityid"}]  # fmt: skip
    assert org.refusal("GET", "EntityDefinitions(LogicalName='nosuch')")[0] == 404


def test_columns_show_their_limits_through_their_type(org):
    cast = f"{CONTACT}/Attributes/{NS}.StringAttributeMetadata?$select=LogicalName,MaxLength&$filter=LogicalName eq 'firstname'"
    assert org.get(cast)["value"][0]["MaxLength"] == 50
    assert org.refusal("GET", f"{CONTACT}/Attributes?$select=MaxLength") == (400, "0x80060888")
    picklist = f"{CONTACT}/Attributes/{NS}.PicklistAttributeMetadata"
    picklists = org.get(f"{picklist}?$select=LogicalName&$expand=OptionSet($select=Options)")["value"]
    methods = next(p for p in picklists if p["LogicalName"] == "preferredcontactmethodcode")["OptionSet"]["Options"]
    assert [(o["Value"], o["Label"]["UserLocalizedLabel"]["Label"]) for o in methods][:2] == [(1, "Any"), (2, "Email")]
    reasons = org.get(f"EntityDefinitions(LogicalName='lead')/Attributes/{NS}.StatusAttributeMetadata?$expand=OptionSet")["value"][0]
    assert {o["Value"]: o["State"] for o in reasons["OptionSet"]["Options"]}[4] == 2


def test_a_table_comes_with_all_its_columns_and_their_types(org):
    columns = {c["LogicalName"]: c for c in org.get(f"{CONTACT}?$expand=Attributes")["Attributes"]}
    assert columns["birthdate"]["DateTimeBehavior"] == {"Value": "DateOnly"}
    assert columns["parentcustomerid"]["AttributeType"] == "Customer"
    assert columns["fullname"]["IsValidForCreate"] is False
    assert columns["fullname"]["IsPrimaryName"] is True
    assert columns["ownerid"]["Targets"] == ["systemuser", "team"]


def test_navigation_properties_are_told_by_the_relationships(org):
    select = "ReferencingAttribute,ReferencingEntityNavigationPropertyName,ReferencedEntity"
    found = org.get(f"{CONTACT}/ManyToOneRelationships?$select={select}")
    names = {(r["ReferencingAttribute"], r["ReferencedEntity"]): r["ReferencingEntityNavigationPropertyName"] for r in found["value"]}
    assert names["parentcustomerid", "account"] == "parentcustomerid_account"
    cascade = org.get("RelationshipDefinitions(SchemaName='contact_customer_accounts')")["CascadeConfiguration"]
    assert cascade["Delete"] == "Cascade"


def test_a_new_column_takes_values_within_its_limits_only(org):
    assert org.column("contact", "String", "mwb_Code", MaxLength=10, FormatName={"Value": "Text"}).status_code == 204
    assert org.column("contact", "Decimal", "mwb_score", Precision=2, MinValue=0, MaxValue=5).status_code == 204
    assert org.column("contact", "DateTime", "mwb_day", Format="DateOnly", DateTimeBehavior={"Value": "DateOnly"}).status_code == 204
    options = [{"Value": 727000000 + n, "Label": label(f"Option {n}")} for n in range(3)]
    assert org.column("contact", "MultiSelectPicklist", "mwb_tags", OptionSet={"Options": options}).status_code == 204
    row_id = org.create("contacts", {"lastname": "New", "mwb_code": "abc", "mwb_score": 1.239, "mwb_day": "2024-02-29",
                                     "mwb_tags": "727000001, 727000000"})  # fmt: skip
    row = org.get(f"contacts({row_id})")
    assert [row[n] for n in ("mwb_code", "mwb_score", "mwb_day", "mwb_tags")] == ["abc", 1.24, "2024-02-29", "727000000,727000001"]
    assert org.refusal("POST", "contacts", {"mwb_code": "x" * 11})[1] == "0x80044331"
    assert org.refusal("POST", "contacts", {"mwb_score": 5.1})[1] == "0x80044330"
    assert org.refusal("POST", "contacts", {"mwb_tags": "1"})[1] == "0x8004431a"
    assert org.refusal("POST", "contacts", {"mwb_Code": "case"})[1] == "0x80048d19"
    holding = f"{NS}.ContainValues(PropertyName='mwb_tags',PropertyValues=[\"727000001\"])"
    found = org.get(f"contacts?$select=lastname&$filter={holding}")["value"]
    assert [r["contactid"] for r in found] == [row_id]


def test_a_money_column_brings_its_base_amount(org):
    assert org.column("task", "Money", "mwb_cost", PrecisionSource=2).status_code == 204
    row = org.get(f"tasks({org.create('tasks', {'subject': 'Paid', 'mwb_cost': 7})})")
    assert (row["mwb_cost"], row["mwb_cost_base"]) == (7, 7)
    assert row["_transactioncurrencyid_value"]


@pytest.mark.parametrize(
    ("table", "kind", "name", "properties"),
    [
        ("contact", "String", "firstname", {}),
        ("contact", "String", "nopublisher_x", {}),
        ("contact", "String", "mwb_has space", {}),
        ("contact", "String", "mwb_" + "x" * 60, {}),
        ("contact", "String", "mwb_long", {"MaxLength": 4001}),
        ("contact", "Memo", "mwb_memo", {"MaxLength": 1048577}),
        ("contact", "Decimal", "mwb_fine", {"Precision": 11}),
        ("contact", "Integer", "mwb_big", {"MaxValue": 2**40}),
        ("contact", "DateTime", "mwb_when", {"Format": "DateAndTime", "DateTimeBehavior": {"Value": "DateOnly"}}),
        ("contact", "Picklist", "mwb_none", {"OptionSet": {"Options": []}}),
        ("contact", "Lookup", "mwb_lookup", {"Targets": ["account"]}),
        ("annotation", "String", "mwb_note", {}),
        ("listmember", "String", "mwb_member", {}),
    ],
)  # fmt: skip
def test_a_column_that_the_service_would_refuse_is_refused(org, table, kind, name, properties):
    assert org.column(table, kind, name, **properties).status_code == 400


def test_names_clash_with_those_that_a_type_adds(org):
    assert org.column("lead", "Boolean", "mwb_flag", OptionSet={}).status_code == 204
    assert org.column("lead", "String", "mwb_flag").status_code == 400
    assert org.column("lead", "String", "mwb_flagname").status_code == 400
    assert org.column("lead", "String", "mwb_sum_base").status_code == 204
    assert org.column("lead", "Money", "mwb_sum").status_code == 400


def test_a_deleted_column_takes_its_values_along(org):
    org.column("account", "String", "mwb_gone")
    row_id = org.create("accounts", {"name": "A", "mwb_gone": "x"})
    assert org.call("DELETE", "EntityDefinitions(LogicalName='account')/Attributes(LogicalName='mwb_gone')").status_code == 204
    assert org.refusal("GET", f"accounts({row_id})?$select=mwb_gone")[0] == 400
    assert all("mwb_gone" not in row for row in org.dump("account"))
    assert org.call("DELETE", f"{CONTACT}/Attributes(LogicalName='firstname')").status_code == 400


def test_what_something_else_depends_on_is_not_deleted_and_what_that_is_is_told(org):
    account = "EntityDefinitions(LogicalName='account')"
    org.column("account", "String", "mwb_wanted")
    key = {"SchemaName": "mwb_WantedKey", "KeyAttributes": ["mwb_wanted"]}
    assert org.call("POST", f"{account}/Keys", key).status_code == 204
    process = {"name": "P", "category": 0, "type": 1, "primaryentity": "account", "triggeronupdateattributelist": "name, mwb_wanted"}
    watching = org.create("workflows", process)
    assert org.call("PATCH", f"workflows({watching})", {"statecode": 1, "statuscode": 2}).status_code == 204
    column = org.get(f"{account}/Attributes(LogicalName='mwb_wanted')")["MetadataId"]
    asked = f"RetrieveDependenciesForDelete(ObjectId={column},ComponentType=2)"
    told = org.get(asked)["value"]
    assert {(one["dependentcomponenttype"], one["requiredcomponentobjectid"]) for one in told} == {(14, column), (29, column)}
    where = f"{account}/Attributes(LogicalName='mwb_wanted')"
    assert org.refusal("DELETE", where) == (400, "0x8004f01f")
    assert org.call("DELETE", f"{account}/Keys(LogicalName='mwb_wantedkey')").status_code == 204
    assert org.refusal("DELETE", where) == (400, "0x8004f01f")
    assert org.call("DELETE", f"workflows({watching})").status_code == 204
    assert org.get(asked)["value"] == []
    assert org.call("DELETE", where).status_code == 204
    assert org.refusal("GET", asked)[0] == 404


def test_a_global_choice_goes_once_no_column_uses_it(org):
    options = [{"Value": 727000000, "Label": label("One")}]
    choice = {"@odata.type": f"{NS}.OptionSetMetadata", "Name": "mwb_level", "DisplayName": label("Level"), "IsGlobal": True,
              "OptionSetType": "Picklist", "Options": options}  # fmt: skip
    made = org.call("POST", "GlobalOptionSetDefinitions", choice).headers["OData-EntityId"].partition("v9.2/")[2]
    bound = {"GlobalOptionSet@odata.bind": f"/{made}", "AttributeType": "Picklist", "AttributeTypeName": {"Value": "PicklistType"}}
    assert org.column("account", "Picklist", "mwb_level", **bound).status_code == 204
    assert org.refusal("DELETE", made) == (400, "0x8004f01f")
    assert org.call("DELETE", "EntityDefinitions(LogicalName='account')/Attributes(LogicalName='mwb_level')").status_code == 204
    assert org.call("DELETE", made).status_code == 204
    assert org.get("GlobalOptionSetDefinitions")["value"] == []


def test_a_custom_table_with_a_lookup_holds_rows_whose_links_a_delete_removes(org):
    name = {"@odata.type": f"{NS}.StringAttributeMetadata", "SchemaName": "mwb_Name", "IsPrimaryName": True, "MaxLength": 100,
            "DisplayName": label("Name")}  # fmt: skip
    table = {"@odata.type": f"{NS}.EntityMetadata", "SchemaName": "mwb_Event", "DisplayName": label("Event"), "OwnershipType": "UserOwned",
             "DisplayCollectionName": label("Events"), "HasActivities": False, "HasNotes": False, "Attributes": [name]}  # fmt: skip
    assert org.call("POST", "EntityDefinitions", table).status_code == 204
    lookup = {"@odata.type": f"{NS}.OneToManyRelationshipMetadata", "SchemaName": "mwb_contact_event", "ReferencedEntity": "contact",
              "ReferencingEntity": "mwb_event", "Lookup": {"SchemaName": "mwb_ContactId", "DisplayName": label("Contact")}}  # fmt: skip
    assert org.call("POST", "RelationshipDefinitions", lookup).status_code == 204
    contact = org.create("contacts", {"lastname": "Linked"})
    event = org.create("mwb_events", {"mwb_name": "E", "mwb_ContactId@odata.bind": f"/contacts({contact})"})
    assert org.refusal("POST", "mwb_events", {"mwb_contactid@odata.bind": f"/contacts({contact})"})[1] == "0x80048d19"
    assert org.bulk("mwb_events", "mwb_event", "CreateMultiple", [{"mwb_name": "Bulk", "statecode": 1}]).status_code == 200
    org.call("DELETE", f"contacts({contact})")
    assert org.get(f"mwb_events({event})")["_mwb_contactid_value"] is None
    assert org.call("POST", "EntityDefinitions", table).status_code == 400


def test_components_land_in_the_named_solution(org):
    made_by = org.get("publishers?$filter=uniquename eq 'mwb'")["value"][0]["publisherid"]
    solution = org.create("solutions", {"uniquename": "mwb_migration", "friendlyname": "M", "version": "1.0.0.0",
                                        "publisherid@odata.bind": f"/publishers({made_by})"})  # fmt: skip
    shape = {"@odata.type": f"{NS}.StringAttributeMetadata", "SchemaName": "mwb_insolution", "MaxLength": 10}
    named = {"MSCRM.SolutionUniqueName": "mwb_migration"}
    assert org.call("POST", f"{CONTACT}/Attributes", shape, named).status_code == 204
    parts = org.get(f"solutioncomponents?$filter=_solutionid_value eq {solution}")["value"]
    column = attribute(org, "mwb_insolution")
    assert [(p["componenttype"], p["objectid"]) for p in parts] == [(2, column["MetadataId"])]
    other = {**shape, "SchemaName": "mwb_nowhere"}
    assert org.call("POST", f"{CONTACT}/Attributes", other, {"MSCRM.SolutionUniqueName": "nosuch"}).status_code == 400
    assert org.refusal("GET", f"{CONTACT}/Attributes(LogicalName='mwb_nowhere')")[0] == 404
    assert org.call("POST", "PublishXml", {"ParameterXml": "<importexportxml/>"}).status_code == 204


@pytest.mark.parametrize("values", [{"customizationprefix": "x"}, {"customizationprefix": "mscrmx"}, {"customizationprefix": "9ab"},
                                    {"customizationoptionvalueprefix": 100}, {"uniquename": "MWB"}])  # fmt: skip
def test_a_publisher_has_a_valid_prefix_and_its_own_name(org, values):
    good = {"uniquename": "other", "friendlyname": "o", "customizationprefix": "oth", "customizationoptionvalueprefix": 10000}
    assert org.call("POST", "publishers", {**good, **values}).status_code in {400, 412}


def test_an_alternate_key_works_once_its_index_is_active(org):
    org.column("account", "String", "mwb_sourceid", MaxLength=100)
    inside = org.app.state.service.org
    inside.key_build_s, inside.clock = 5, lambda: 100.0
    key = {"SchemaName": "mwb_SourceKey", "DisplayName": label("Source"), "KeyAttributes": ["mwb_sourceid"]}
    assert org.call("POST", "EntityDefinitions(LogicalName='account')/Keys", key).status_code == 204
    keys = "EntityDefinitions(LogicalName='account')/Keys"
    assert org.get(keys)["value"][0]["EntityKeyIndexStatus"] in {"Pending", "InProgress"}
    assert org.refusal("GET", "accounts(mwb_sourceid='s1')")[1] == "0x80060890"
    inside.clock = lambda: 105.0
    assert org.get(keys)["value"][0]["EntityKeyIndexStatus"] == "Active"
    row_id = org.create("accounts", {"name": "Keyed", "mwb_sourceid": "s1"})
    assert org.get("accounts(mwb_sourceid='S1')")["accountid"] == row_id
    assert org.refusal("POST", "accounts", {"mwb_sourceid": "s1"}) == (412, "0x80060892")
    made = org.call("PATCH", "accounts(mwb_sourceid='Łódź')", {"name": "By key"})
    assert made.status_code == 204
    assert made.headers["OData-EntityId"] == f"{org.root}accounts(mwb_sourceid='%C5%81%C3%B3d%C5%BA')"
    assert org.get("accounts?$filter=name eq 'By key'")["value"][0]["mwb_sourceid"] == "Łódź"
    assert org.create("accounts", {"name": "No key"})
    assert org.create("accounts", {"name": "No key either"})


def test_options_are_inserted_with_the_publishers_numbers(org):
    body = {"EntityLogicalName": "campaignresponse", "AttributeLogicalName": "responsecode", "Label": label("Bounced")}
    value = org.call("POST", "InsertOptionValue", body).json()["NewOptionValue"]
    assert value == 727000000
    campaign = org.create("campaigns", {"name": "C"})
    response = {"subject": "R", "responsecode": value, "regardingobjectid_campaign_campaignresponse@odata.bind": f"/campaigns({campaign})"}
    assert org.create("campaignresponses", response)
    status = {"EntityLogicalName": "opportunity", "AttributeLogicalName": "statuscode", "Label": label("Too dear"), "StateCode": 2}
    assert org.call("POST", "InsertStatusValue", status).status_code == 200
    assert org.call("POST", "InsertOptionValue", {**body, "Value": 1}).status_code == 400


def test_rows_are_tied_many_to_many_and_untied(org):
    relation = {"@odata.type": f"{NS}.ManyToManyRelationshipMetadata", "SchemaName": "mwb_account_lead", "Entity1LogicalName": "account",
                "Entity2LogicalName": "lead", "IntersectEntityName": "mwb_account_lead"}  # fmt: skip
    assert org.call("POST", "RelationshipDefinitions", relation).status_code == 204
    account, lead = org.create("accounts", {"name": "A"}), org.create("leads", {"subject": "L", "lastname": "L"})
    tie = {"@odata.id": f"{org.root}leads({lead})"}
    assert org.call("POST", f"accounts({account})/mwb_account_lead/$ref", tie).status_code == 204
    assert org.refusal("POST", f"accounts({account})/mwb_account_lead/$ref", tie) == (412, "0x80040237")
    assert [r["accountid"] for r in org.get(f"leads({lead})/mwb_account_lead?$select=name")["value"]] == [account]
    assert len(org.dump("mwb_account_lead", canonical=True)) == 1
    assert org.call("DELETE", f"accounts({account})/mwb_account_lead({lead})/$ref").status_code == 204
    assert not org.get(f"leads({lead})/mwb_account_lead")["value"]
    org.call("POST", f"accounts({account})/mwb_account_lead/$ref", tie)
    org.call("DELETE", f"accounts({account})")
    assert not org.dump("mwb_account_lead")
