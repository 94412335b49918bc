import pytest

from tests.simulators.dataverse_organisation import NS, guid, organisation, publisher

ANY = {"If-Match": "*"}


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        publisher(served)
        yield served


@pytest.fixture(scope="module")
def account(org):
    return org.create("accounts", {"name": "Contoso"})


def test_a_create_says_where_the_row_is_and_gives_it_back_when_asked(org):
    plain = org.call("POST", "accounts", {"name": "A"})
    assert plain.status_code == 204
    assert not plain.content
    assert plain.headers["OData-EntityId"] == plain.headers["Location"]
    shown = org.call("POST", "accounts?$select=name", {"name": "B"}, {"Prefer": "return=representation"})
    assert shown.status_code == 201
    assert set(shown.json()) == {"@odata.context", "@odata.etag", "accountid", "name"}
    assert shown.headers["Preference-Applied"] == "return=representation"


def test_a_row_takes_the_clients_id_once(org):
    row_id = guid()
    assert org.create("accounts", {"accountid": row_id.upper(), "name": "Own id"}) == row_id
    assert org.refusal("POST", "accounts", {"accountid": row_id, "name": "Again"}) == (412, "0x80040237")


def test_an_update_needs_the_row_and_an_upsert_says_by_its_status_which_it_was(org):
    row_id = guid()
    assert org.refusal("PATCH", f"accounts({row_id})", {"name": "x"}, ANY) == (404, "0x80040217")
    asked = {"Prefer": "return=representation"}
    assert org.call("PATCH", f"accounts({row_id})", {"name": "x"}, asked).status_code == 201
    assert org.call("PATCH", f"accounts({row_id})", {"name": "y"}, asked).status_code == 200
    assert org.refusal("PATCH", f"accounts({row_id})", {"name": "z"}, {"If-None-Match": "*"}) == (412, "0x80040237")


def test_an_etag_guards_updates_and_deletes_and_answers_reads(org):
    row_id = org.create("accounts", {"name": "Guarded"})
    first = org.get(f"accounts({row_id})?$select=name")["@odata.etag"]
    assert org.call("GET", f"accounts({row_id})", headers={"If-None-Match": first}).status_code == 304
    assert org.call("PATCH", f"accounts({row_id})", {"name": "Changed"}, {"If-Match": first}).status_code == 204
    assert org.refusal("PATCH", f"accounts({row_id})", {"name": "Late"}, {"If-Match": first}) == (412, "0x80060882")
    assert org.refusal("DELETE", f"accounts({row_id})", headers={"If-Match": first}) == (412, "0x80060882")
    assert org.call("DELETE", f"accounts({row_id})").status_code == 204
    assert org.refusal("GET", f"accounts({row_id})") == (404, "0x80040217")


def test_a_new_child_leaves_the_parents_version_alone(org, account):
    before = org.get(f"accounts({account})")["@odata.etag"]
    org.create("contacts", {"lastname": "Child", "parentcustomerid_account@odata.bind": f"/accounts({account})"})
    assert org.get(f"accounts({account})")["@odata.etag"] == before


def test_single_columns_are_put_and_deleted(org):
    row_id = org.create("accounts", {"name": "Columns"})
    assert org.call("PUT", f"accounts({row_id})/description", {"value": "said"}).status_code == 204
    assert org.get(f"accounts({row_id})/description")["value"] == "said"
    assert org.call("DELETE", f"accounts({row_id})/description").status_code == 204
    assert org.call("GET", f"accounts({row_id})/description").status_code == 204


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"firstname": "x" * 51}, "0x80044331"),
        ({"firstname": "🚀" * 26}, "0x80044331"),
        ({"firstname": 5}, "0x80048d19"),
        ({"firstname": "a\x01b"}, "0x80040203"),
        ({"donotemail": "true"}, "0x80048d19"),
        ({"preferredcontactmethodcode": 9}, "0x8004431a"),
        ({"preferredcontactmethodcode": "1"}, "0x80048d19"),
        ({"numberofchildren": -1}, "0x8004432f"),
        ({"creditlimit": 1e30}, "0x80044330"),
        ({"birthdate": "1980-02-30"}, "0x80048d19"),
        ({"birthdate": "1980-02-03T00:00:00Z"}, "0x80048d19"),
        ({"birthdate": "1752-12-31"}, "0x80040203"),
        ({"overriddencreatedon": "2020-01-01"}, "0x80048d19"),
        ({"overriddencreatedon": "2020-01-01T00:00:00"}, "0x80048d19"),
        ({"contactid": "no-guid"}, "0x80048d19"),
        ({"nosuchcolumn": None}, "0x80048d19"),
        ({"ParentCustomerId_Account@odata.bind": "/accounts(0)"}, "0x80048d19"),
        ({"_parentcustomerid_value": "x"}, "0x80048d19"),
        ({"parentcustomerid_account@odata.bind": "/leads(11111111-1111-1111-1111-111111111111)"}, "0x80040217"),
        ({"parentcustomerid_account@odata.bind": "/accounts(11111111-1111-1111-1111-111111111111)"}, "0x80040217"),
        ({"statuscode": 2}, "0x80048408"),
    ],
)  # fmt: skip
def test_a_value_that_the_service_would_refuse_is_refused_with_its_code(org, values, code):
    assert org.refusal("POST", "contacts", {"lastname": "Strict", **values})[1] == code


def test_texts_are_measured_in_utf16_units_and_empty_ones_are_null(org):
    row_id = org.create("contacts", {"lastname": "🚀" * 25, "jobtitle": ""})
    row = org.get(f"contacts({row_id})?$select=fullname,jobtitle")
    assert row["fullname"] == "🚀" * 25
    assert row["jobtitle"] is None


def test_only_system_required_columns_are_demanded(org):
    assert org.create("accounts", {})
    assert org.refusal("POST", "lists", {"listname": "No member type"}) == (400, "0x80040200")
    assert org.create("lists", {"listname": "Good", "createdfromcode": 2})


def test_read_only_columns_are_ignored_without_a_word(org):
    row_id = org.create("contacts", {"firstname": "Jo", "lastname": "Doe", "fullname": "Somebody", "createdon": "2001-01-01T00:00:00Z",
                                     "versionnumber": 1, "statecode": 1})  # fmt: skip
    row = org.get(f"contacts({row_id})?$select=fullname,yomifullname,createdon,statecode,statuscode,donotemail,followemail")
    assert (row["fullname"], row["yomifullname"], row["statecode"], row["statuscode"]) == ("Jo Doe", "Jo Doe", 0, 1)
    assert row["donotemail"] is False
    assert row["followemail"] is True
    assert row["createdon"] > "2025"


def test_the_overridden_date_becomes_createdon_and_only_at_create(org):
    row_id = org.create("contacts", {"lastname": "Old", "overriddencreatedon": "2019-05-06T07:08:09.5+02:00", "importsequencenumber": 7})
    assert org.call("PATCH", f"contacts({row_id})", {"overriddencreatedon": "2018-01-01T00:00:00Z"}, ANY).status_code == 204
    row = org.get(f"contacts({row_id})?$select=createdon,overriddencreatedon,modifiedon,importsequencenumber")
    assert row["createdon"] == "2019-05-06T05:08:09Z"
    assert row["overriddencreatedon"] > "2025"
    assert row["modifiedon"] > "2025"
    assert row["importsequencenumber"] == 7


def test_states_move_with_their_reasons(org):
    row_id = org.create("leads", {"subject": "L", "lastname": "State"})
    assert org.refusal("PATCH", f"leads({row_id})", {"statuscode": 3}, ANY) == (400, "0x80048408")
    assert org.refusal("PATCH", f"leads({row_id})", {"statecode": 1, "statuscode": 4}, ANY) == (400, "0x80048408")
    assert org.call("PATCH", f"leads({row_id})", {"statecode": 2}, ANY).status_code == 204
    assert org.get(f"leads({row_id})?$select=statuscode")["statuscode"] == 4
    assert org.call("PATCH", f"leads({row_id})", {"statecode": 1, "statuscode": 3}, ANY).status_code == 204


def test_a_deal_is_not_closed_by_an_update(org):
    row_id = org.create("opportunities", {"name": "Deal"})
    assert org.refusal("PATCH", f"opportunities({row_id})", {"statecode": 1, "statuscode": 3}, ANY) == (400, "0x80100005")


def test_money_gets_its_currency_and_base_amount(org):
    currency = {"currencyname": "Euro", "isocurrencycode": "EUR", "currencysymbol": "€", "exchangerate": 0.5, "currencyprecision": 2}
    euro = org.create("transactioncurrencies", currency)
    plain = org.get(f"accounts({org.create('accounts', {'name': 'M', 'revenue': 10.005})})")
    assert (plain["revenue"], plain["revenue_base"]) == (10.0, 10.0)
    assert plain["_transactioncurrencyid_value"]
    bound = org.create("accounts", {"name": "E", "revenue": 10, "transactioncurrencyid@odata.bind": f"/transactioncurrencies({euro})"})
    assert org.get(f"accounts({bound})?$select=revenue_base")["revenue_base"] == 20


def test_lookups_are_read_with_the_table_and_navigation_they_point_through(org, account):
    row_id = org.create("contacts", {"lastname": "Bound", "parentcustomerid_account@odata.bind": f"{org.root}accounts({account})"})
    row = org.get(f"contacts({row_id})?$select=_parentcustomerid_value,_ownerid_value", Prefer='odata.include-annotations="*"')
    assert row["_parentcustomerid_value"] == account
    assert row[f"_parentcustomerid_value@{NS}.lookuplogicalname"] == "account"
    assert row[f"_parentcustomerid_value@{NS}.associatednavigationproperty"] == "parentcustomerid_account"
    assert row["_parentcustomerid_value@OData.Community.Display.V1.FormattedValue"] == "Contoso"
    assert row[f"_ownerid_value@{NS}.lookuplogicalname"] == "systemuser"


def test_lookups_are_cleared_in_every_form_that_clients_send(org, account):
    for clearing in ({"parentcustomerid_account@odata.bind": None}, {"parentcustomerid_account": None}, {"parentcustomerid": None}):
        row_id = org.create("contacts", {"lastname": "Clear", "parentcustomerid_account@odata.bind": f"accounts({account})"})
        assert org.call("PATCH", f"contacts({row_id})", clearing, ANY).status_code == 204
        assert org.get(f"contacts({row_id})?$select=_parentcustomerid_value")["_parentcustomerid_value"] is None
    row_id = org.create("contacts", {"lastname": "Ref", "parentcustomerid_account@odata.bind": f"accounts({account})"})
    assert org.call("DELETE", f"contacts({row_id})/parentcustomerid_account/$ref").status_code == 204
    reference = {"@odata.id": f"{org.root}accounts({account})"}
    assert org.call("PUT", f"contacts({row_id})/parentcustomerid_account/$ref", reference).status_code == 204
    assert org.get(f"contacts({row_id})/parentcustomerid_account")["name"] == "Contoso"


def test_an_activity_regards_a_row_through_the_navigation_of_both_tables(org, account):
    row_id = org.create("tasks", {"subject": "T", "regardingobjectid_account_task@odata.bind": f"/accounts({account})"})
    assert org.get(f"tasks({row_id})?$select=_regardingobjectid_value")["_regardingobjectid_value"] == account
    assert org.get(f"activitypointers({row_id})?$select=subject")["subject"] == "T"
    short = {"subject": "T", "regardingobjectid_account@odata.bind": f"/accounts({account})"}
    assert org.refusal("POST", "tasks", short)[1] == "0x80048d19"
    assert org.refusal("POST", "campaignresponses", {"subject": "R"})[1] == "0x8004030a"


def test_rows_nested_in_a_create_are_made_with_it_or_not_at_all(org):
    row_id = org.create("accounts", {"name": "Deep", "contact_customer_accounts": [{"lastname": "Nested"}],
                                     "primarycontactid": {"lastname": "Primary"}})  # fmt: skip
    nested = "primarycontactid($select=fullname),contact_customer_accounts($select=fullname)"
    found = org.get(f"accounts({row_id})?$select=name&$expand={nested}")
    assert found["primarycontactid"]["fullname"] == "Primary"
    assert [c["fullname"] for c in found["contact_customer_accounts"]] == ["Nested"]
    bad = {"name": "Half", "contact_customer_accounts": [{"lastname": "In vain"}, {"lastname": "x" * 60}]}
    assert org.refusal("POST", "accounts", bad)[1] == "0x80044331"
    assert not org.get("accounts?$filter=name eq 'Half'")["value"]
    assert not org.get("contacts?$filter=lastname eq 'In vain'")["value"]


def test_parties_come_with_their_activity_and_never_alone(org):
    contact = org.create("contacts", {"lastname": "Party"})
    parties = [{"partyid_contact@odata.bind": f"/contacts({contact})", "participationtypemask": 1},
               {"addressused": "unknown@example.com", "participationtypemask": 2}]  # fmt: skip
    email = org.create("emails", {"subject": "Mail", "email_activity_parties": parties})
    found = org.get(f"emails({email})/email_activity_parties")["value"]
    assert {(p["_partyid_value"], p["addressused"]) for p in found} == {(contact, None), (None, "unknown@example.com")}
    assert org.refusal("POST", "activityparties", parties[1]) == (400, "0x80040800")
    assert org.refusal("POST", "listmembers", {}) == (400, "0x80040800")
    org.call("DELETE", f"emails({email})")
    assert not org.dump("activityparty")


def test_deletes_cascade_let_go_or_are_refused_as_the_relationship_says(org):
    account = org.create("accounts", {"name": "Parent"})
    contact = org.create("contacts", {"lastname": "C", "parentcustomerid_account@odata.bind": f"/accounts({account})"})
    task = org.create("tasks", {"subject": "T", "regardingobjectid_contact_task@odata.bind": f"/contacts({contact})"})
    lead = org.create("leads", {"subject": "L", "lastname": "L", "parentaccountid@odata.bind": f"/accounts({account})"})
    order = org.create("salesorders", {"name": "O", "customerid_account@odata.bind": f"/accounts({account})"})
    assert org.refusal("DELETE", f"accounts({account})") == (405, "0x80040227")
    assert org.get(f"tasks({task})")["subject"] == "T"
    org.call("DELETE", f"salesorders({order})")
    assert org.call("DELETE", f"accounts({account})").status_code == 204
    assert {org.call("GET", f"contacts({contact})").status_code, org.call("GET", f"tasks({task})").status_code} == {404}
    assert org.get(f"leads({lead})")["_parentaccountid_value"] is None


def test_an_edit_by_another_user_changes_who_modified_the_row_and_its_version(org, account):
    user = org.create("systemusers", {"firstname": "An", "lastname": "Editor", "domainname": "an@example.com"})
    row_id = org.create("contacts", {"lastname": "Before"})
    version = org.get(f"contacts({row_id})")["@odata.etag"]
    done = org.control("edit", {"table": "contact", "id": row_id, "values": {"lastname": "After"}, "user": user})
    assert done.json() == {"ids": [row_id]}
    row = org.get(f"contacts({row_id})")
    assert (row["lastname"], row["_modifiedby_value"]) == ("After", user)
    assert row["@odata.etag"] != version
    assert row["_createdby_value"] != user
