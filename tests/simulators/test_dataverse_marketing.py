"""Marketing lists and their members, campaigns, and tasks: what a load of lists and events meets at the destination."""

import pytest

from tests.simulators.dataverse_organisation import NS, guid, organisation

ANY = {"If-Match": "*"}


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        yield served


@pytest.fixture(scope="module")
def people(org):
    rows = [{"contactid": guid(), "lastname": f"C{n}"} for n in range(4)]
    return org.bulk("contacts", "contact", "CreateMultiple", rows).json()["Ids"]


def new_list(org, code=2, **values):
    return org.create("lists", {"listname": "L", "createdfromcode": code, **values})


def add(org, list_id, ids, table="contact"):
    members = [{"@odata.type": f"{NS}.{table}", f"{table}id": row_id} for row_id in ids]
    return org.call("POST", "AddListMembersList", {"List": {"@odata.type": f"{NS}.list", "listid": list_id}, "Members": members})


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def members(org, list_id):
    return {row["_entityid_value"] for row in org.dump("listmember") if row["_listid_value"] == list_id}


def test_members_are_added_many_or_one_at_a_time_and_never_twice(org, people):
    list_id = new_list(org)
    assert add(org, list_id, people[:2]).status_code == 204
    assert add(org, list_id, people[1:3]).status_code == 204
    first = org.call("POST", f"lists({list_id})/{NS}.AddMemberList", {"EntityId": people[3]})
    again = org.call("POST", f"lists({list_id})/{NS}.AddMemberList", {"EntityId": people[3]})
    assert (first.status_code, first.json()["Id"]) == (200, again.json()["Id"])
    assert members(org, list_id) == set(people)
    assert org.get(f"lists({list_id})?$select=membercount")["membercount"] == 4
    assert len(org.get(f"listmembers?$filter=_listid_value eq {list_id}&$select=_entityid_value")["value"]) == 4


def test_members_are_of_the_lists_own_type_and_all_or_none_are_added(org, people):
    lead = org.create("leads", {"subject": "L", "lastname": "L"})
    list_id = new_list(org, code=4)
    assert code_of(add(org, list_id, people[:1])) == (400, "0x80040301")
    assert code_of(org.call("POST", f"lists({list_id})/{NS}.AddMemberList", {"EntityId": people[0]})) == (400, "0x80040301")
    assert code_of(add(org, list_id, [lead, guid()], "lead")) == (404, "0x80040217")
    assert not members(org, list_id)
    assert add(org, list_id, [lead], "lead").status_code == 204


@pytest.mark.parametrize(
    ("closing", "code"),
    [({"lockstatus": True}, "0x80040302"), ({"statecode": 1, "statuscode": 1}, "0x80040203")],
)
def test_a_list_that_is_locked_or_inactive_keeps_its_members(org, people, closing, code):
    list_id = new_list(org)
    add(org, list_id, people[:1])
    org.call("PATCH", f"lists({list_id})", closing, ANY)
    assert code_of(add(org, list_id, people)) == (400, code)
    assert code_of(org.call("POST", f"lists({list_id})/{NS}.RemoveMemberList", {"EntityId": people[0]})) == (400, code)
    assert members(org, list_id) == {people[0]}


def test_a_dynamic_list_takes_no_members_and_stays_dynamic(org, people):
    list_id = new_list(org, type=True, query="<fetch/>")
    assert code_of(add(org, list_id, people)) == (400, "0x80040203")
    org.call("PATCH", f"lists({list_id})", {"type": False, "createdfromcode": 4}, ANY)
    row = org.get(f"lists({list_id})?$select=type,createdfromcode,membertype")
    assert (row["type"], row["createdfromcode"], row["membertype"]) == (True, 2, 2)


def test_members_are_no_rows_of_their_own_to_create_or_to_link(org, people):
    list_id = new_list(org)
    assert org.refusal("POST", "listmembers", {"listid@odata.bind": f"/lists({list_id})"}) == (400, "0x80040800")
    assert org.refusal("PATCH", f"listmembers({guid()})", {"entitytype": "contact"}) == (400, "0x80040800")
    nested = {"listname": "L", "createdfromcode": 2, "listmembers": [{"entitytype": "contact"}]}
    assert org.refusal("POST", "lists", nested) == (400, "0x80040800")
    link = {"@odata.id": f"{org.root}contacts({people[0]})"}
    assert org.refusal("POST", f"lists({list_id})/listcontact_association/$ref", link) == (400, "0x80040800")
    assert org.bulk("listmembers", "listmember", "CreateMultiple", [{}]).status_code == 400
    add(org, list_id, people[:1])
    member = next(row["listmemberid"] for row in org.dump("listmember") if row["_listid_value"] == list_id)
    assert org.refusal("PATCH", f"listmembers({member})", {"entitytype": "lead"}, ANY) == (400, "0x80040800")


def test_members_end_with_a_message_or_with_either_row(org):
    row_ids = [org.create("contacts", {"lastname": "Gone"}) for _ in range(3)]
    list_id = new_list(org)
    add(org, list_id, row_ids)
    assert org.call("POST", f"lists({list_id})/{NS}.RemoveMemberList", {"EntityId": row_ids[0]}).status_code == 204
    assert org.refusal("POST", f"lists({list_id})/{NS}.RemoveMemberList", {"EntityId": row_ids[0]}) == (404, "0x80040217")
    org.call("DELETE", f"contacts({row_ids[1]})")
    assert members(org, list_id) == {row_ids[2]}
    assert org.get(f"lists({list_id})")["membercount"] == 1
    org.call("DELETE", f"lists({list_id})")
    assert not members(org, list_id)
    assert org.get(f"contacts({row_ids[2]})")["lastname"] == "Gone"


def test_members_are_read_from_either_side_filtered_and_by_pages(org, people):
    list_id = new_list(org)
    add(org, list_id, people)
    path = f"lists({list_id})/listcontact_association?$select=lastname&$orderby=lastname desc"
    first = org.get(path, Prefer="odata.maxpagesize=3")
    assert [row["lastname"] for row in first["value"]] == ["C3", "C2", "C1"]
    rest = org.session.get(first["@odata.nextLink"], headers={"Prefer": "odata.maxpagesize=3"}, timeout=5).json()
    assert [row["lastname"] for row in rest["value"]] == ["C0"]
    assert "@odata.nextLink" not in rest
    assert [row["lastname"] for row in org.get(f"{path}&$filter=lastname eq 'C2'")["value"]] == ["C2"]
    assert list_id in {row["listid"] for row in org.get(f"contacts({people[0]})/listcontact_association")["value"]}
    known = org.get("RelationshipDefinitions(SchemaName='listcontact_association')")
    assert (known["IntersectEntityName"], known["Entity1IntersectAttribute"]) == ("listmember", "entityid")


def test_a_list_is_tied_to_a_campaign_once_and_read_back_from_it(org):
    list_id, campaign = new_list(org), org.create("campaigns", {"name": "Spring"})
    body = {"Campaign": {"@odata.type": f"{NS}.campaign", "campaignid": campaign}}
    items = [org.call("POST", f"lists({list_id})/{NS}.AddItemCampaign", body) for _ in range(2)]
    assert [item.status_code for item in items] == [200, 200]
    assert items[0].json()["CampaignItemId"] == items[1].json()["CampaignItemId"]
    assert [row["listid"] for row in org.get(f"campaigns({campaign})/campaignlist_association?$select=listname")["value"]] == [list_id]
    expanded = org.get(f"campaigns({campaign})?$select=name&$expand=campaignlist_association($select=listname)")
    assert [row["listname"] for row in expanded["campaignlist_association"]] == ["L"]
    unknown = {"Campaign": {"@odata.type": f"{NS}.campaign", "campaignid": guid()}}
    assert org.refusal("POST", f"lists({list_id})/{NS}.AddItemCampaign", unknown) == (404, "0x80040217")
    assert org.refusal("POST", f"campaigns({campaign})/{NS}.AddItemCampaign", body)[0] == 404
    untied = f"campaigns({campaign})/campaignlist_association({list_id})/$ref"
    assert org.call("DELETE", untied).status_code == 204
    assert list_id not in {row["entityid"] for row in org.dump("campaignitem")}
    assert org.refusal("DELETE", untied) == (404, "0x80040217")
    org.call("POST", f"lists({list_id})/{NS}.AddItemCampaign", body)
    org.call("DELETE", f"campaigns({campaign})")
    assert list_id not in {row["entityid"] for row in org.dump("campaignitem")}


def test_the_canonical_dump_names_members_and_items_by_what_they_tie(tmp_path):
    dumps, contact, list_id, campaign = [], guid(), guid(), guid()
    for sandbox in (False, True):
        with organisation(tmp_path, sandbox=sandbox) as org:
            org.create("contacts", {"contactid": contact, "lastname": "C"})
            new_list(org, listid=list_id)
            org.create("campaigns", {"campaignid": campaign, "name": "Spring"})
            add(org, list_id, [contact])
            tie = {"Campaign": {"@odata.type": f"{NS}.campaign", "campaignid": campaign}}
            org.call("POST", f"lists({list_id})/{NS}.AddItemCampaign", tie)
            dumps.append({table: org.dump(table, canonical=True) for table in ("listmember", "campaignitem", "list", "campaign")})
    assert dumps[0] == dumps[1]
    assert dumps[0]["listmember"][0]["listmemberid"] == f"listmember:{list_id}:{contact}"
    assert dumps[0]["campaignitem"][0]["campaignitemid"] == f"campaignitem:{campaign}:{list_id}"


def test_a_campaign_gets_a_code_and_moves_through_its_reasons(org):
    row_id = org.create("campaigns", {"name": "Spring", "typecode": 2})
    row = org.get(f"campaigns({row_id})")
    assert row["codename"].startswith("CMP-")
    assert (row["statecode"], row["statuscode"]) == (0, 0)
    assert org.create("campaigns", {"name": "Own", "codename": "MINE", "statuscode": 3})
    assert org.refusal("POST", "campaigns", {"name": "Closed", "statuscode": 6}) == (400, "0x80048408")
    assert org.call("PATCH", f"campaigns({row_id})", {"statecode": 1, "statuscode": 6}, ANY).status_code == 204
    assert org.refusal("POST", "campaigns", {"typecode": 1}) == (400, "0x80040200")


def test_a_task_is_created_open_and_completed_later_with_its_own_end(org, people):
    bind = {"regardingobjectid_contact_task@odata.bind": f"/contacts({people[0]})"}
    task = {"subject": "Opened", "sortdate": "2021-02-03T04:05:06Z", "statecode": 1, **bind}
    row_id = org.create("tasks", task)
    row = org.get(f"tasks({row_id})")
    assert (row["statecode"], row["statuscode"], row["sortdate"]) == (0, 2, "2021-02-03T04:05:06Z")
    assert org.refusal("POST", "tasks", {**task, "statuscode": 5}) == (400, "0x80048408")
    done = {"statecode": 1, "statuscode": 5, "actualend": "2021-02-03T04:05:06Z"}
    assert org.call("PATCH", f"tasks({row_id})", done, ANY).status_code == 204
    shown = org.get(f"activitypointers({row_id})?$select=sortdate,actualend,activitytypecode,statecode,_regardingobjectid_value")
    assert (shown["sortdate"], shown["actualend"], shown["statecode"]) == ("2021-02-03T04:05:06Z", "2021-02-03T04:05:06Z", 1)
    assert (shown["activitytypecode"], shown["_regardingobjectid_value"]) == ("task", people[0])
    assert row_id in {t["activityid"] for t in org.get(f"contacts({people[0]})/Contact_Tasks?$select=subject")["value"]}
    other = org.create("tasks", {"subject": "Ends now"})
    org.call("PATCH", f"tasks({other})", {"statecode": 1}, ANY)
    assert org.get(f"tasks({other})")["actualend"] > "2025"
    assert (
        org.refusal("POST", "tasks", {"subject": "T", "regardingobjectid_contact@odata.bind": f"/contacts({people[0]})"})[1] == "0x80048d19"
    )
