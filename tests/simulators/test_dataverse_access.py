import pytest

from tests.simulators.dataverse_organisation import NS, multipart, organisation, publisher, token


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        publisher(served)
        yield served


@pytest.fixture
def lacking(org):
    """Take privileges from the application user for one test."""
    yield lambda *names: org.control("privileges", {"missing": list(names)})
    org.control("privileges", {"missing": []})


def who(org, bearer):
    answer = org.call("GET", "WhoAmI", headers={"Authorization": bearer})
    return answer.status_code, answer


@pytest.mark.parametrize("bearer", ["", "Basic x", "Bearer not.a.token", f"Bearer {token(key=b'other')}", f"Bearer {token(lifetime_s=-1)}",
                                    f"Bearer {token(audience='https://elsewhere.example')}"])  # fmt: skip
def test_a_token_that_is_not_for_this_organisation_now_is_refused(org, bearer):
    status, answer = who(org, bearer)
    assert status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_an_application_without_a_user_is_no_member(org):
    status, answer = who(org, f"Bearer {token(client_id='99999999-0000-4000-8000-000000000000')}")
    assert (status, answer.json()["error"]["code"]) == (403, "0x80072560")


def test_a_disabled_application_user_stops_the_integration(tmp_path):
    with organisation(tmp_path) as org:
        user = org.get("WhoAmI")["UserId"]
        org.call("PATCH", f"systemusers({user})", {"isdisabled": True})
        assert org.refusal("GET", "accounts") == (403, "0x80040225")


def test_missing_privileges_refuse_what_needs_them(org, lacking):
    lacking("prvCreateAccount", "prvOverrideCreatedOnCreatedBy", "prvBypassCustomBusinessLogic", "prvActOnBehalfOfAnotherUser")
    assert org.refusal("POST", "accounts", {"name": "x"}) == (403, "0x80040220")
    assert org.refusal("POST", "contacts", {"lastname": "x", "overriddencreatedon": "2020-01-01T00:00:00Z"}) == (403, "0x80040220")
    bypass = {"MSCRM.BypassBusinessLogicExecution": "CustomSync,CustomAsync"}
    assert org.refusal("POST", "contacts", {"lastname": "x"}, bypass) == (403, "0x80040220")
    header = b"json\r\nMSCRM.BypassBusinessLogicExecution: CustomSync\r\n"
    part = multipart([("POST", "contacts", {"lastname": "x"})]).replace(b"json\r\n", header)
    kind = {"Content-Type": "multipart/mixed; boundary=b"}
    assert "0x80040220" in org.session.post(org.root + "$batch", data=part, headers=kind, timeout=30).text
    assert org.refusal("GET", "accounts", headers={"CallerObjectId": "x"}) == (403, "0x80040220")
    user = org.get("WhoAmI")["UserId"]
    names = {p["PrivilegeName"] for p in org.get(f"systemusers({user})/{NS}.RetrieveUserPrivileges()")["RolePrivileges"]}
    assert "prvCreateContact" in names
    assert "prvCreateAccount" not in names
    lacking()
    assert org.call("POST", "contacts", {"lastname": "x"}, bypass).status_code == 204


def test_an_impersonated_user_becomes_the_author(org):
    person = {"firstname": "A", "lastname": "Writer", "azureactivedirectoryobjectid": "aaaaaaaa-0000-4000-8000-000000000000"}
    user = org.create("systemusers", person)
    answer = org.call("POST", "contacts", {"lastname": "Ghost"}, {"CallerObjectId": "AAAAAAAA-0000-4000-8000-000000000000",
                                                                  "Prefer": "return=representation"})  # fmt: skip
    row = answer.json()
    assert (row["_createdby_value"], row["_createdonbehalfby_value"]) == (user, org.get("WhoAmI")["UserId"])


def test_an_owner_exists_is_enabled_and_may_read_the_table(org):
    team = org.get("teams?$select=teamid&$filter=isdefault eq true")["value"][0]["teamid"]
    row_id = org.create("contacts", {"lastname": "Owned", "ownerid@odata.bind": f"/teams({team})"})
    row = org.get(f"contacts({row_id})")
    assert (row["_ownerid_value"], row["_owningteam_value"], row["_owninguser_value"]) == (team, team, None)
    user = org.create("systemusers", {"firstname": "No", "lastname": "Role"})
    assert org.refusal("POST", "contacts", {"lastname": "x", "ownerid@odata.bind": f"/systemusers({user})"}) == (403, "0x80040220")
    org.call("PATCH", f"systemusers({user})", {"isdisabled": True})
    assert org.refusal("POST", "contacts", {"lastname": "x", "ownerid@odata.bind": f"/systemusers({user})"}) == (400, "0x8004022b")
    assert org.refusal("POST", "contacts", {"lastname": "x", "ownerid@odata.bind": f"/teams({user})"}) == (404, "0x80040217")


def test_every_answer_carries_the_version_and_the_hint(org):
    answer = org.call("GET", "WhoAmI")
    assert answer.headers["OData-Version"] == "4.0"
    assert int(answer.headers["x-ms-dop-hint"]) > 0


def test_requests_over_the_limit_wait_for_the_window(tmp_path):
    with organisation(tmp_path) as org:
        org.control("limits", {"pace": "scaled", "requests": 3})
        answers = [org.call("GET", "WhoAmI") for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert answers[3].json()["error"]["code"] == "0x80072322"
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 5
        assert answers[0].headers["x-ms-ratelimit-burst-remaining-xrm-requests"] == "2"


def test_a_team_owns_by_its_roles_and_tells_what_they_give(org):
    team = org.create("teams", {"name": "Without a role", "teamtype": 0})
    owned = {"lastname": "Owned", "ownerid@odata.bind": f"/teams({team})"}
    assert org.refusal("POST", "contacts", owned) == (403, "0x80040220")
    role = next(row["roleid"] for row in org.get("roles?$select=name")["value"] if row["name"] == "Salesperson")
    org.call("POST", f"teams({team})/teamroles_association/$ref", {"@odata.id": f"{org.root}roles({role})"})
    assert org.call("POST", "contacts", owned).status_code == 204
    assert [row["roleid"] for row in org.get(f"teamrolescollection?$select=roleid&$filter=teamid eq {team}")["value"]] == [role]

    def told() -> set[str]:
        return {one["PrivilegeName"] for one in org.get(f"teams({team})/{NS}.RetrieveTeamPrivileges()")["RolePrivileges"]}

    assert {"prvReadContact", "prvReadActivity"} <= told()
    org.control("privileges", {"user": team, "missing": ["prvReadContact"]})
    assert "prvReadContact" not in told()
    assert org.refusal("POST", "contacts", owned) == (403, "0x80040220")
    org.control("privileges", {"user": team, "missing": []})
    assert "prvReadContact" in told()


def test_a_user_has_the_privileges_of_its_teams_too(org):
    user = org.create("systemusers", {"firstname": "Team", "lastname": "Only"})
    assert org.get(f"systemusers({user})/{NS}.RetrieveUserPrivileges()")["RolePrivileges"] == []
    team = org.get("teams?$select=teamid&$filter=isdefault eq true")["value"][0]["teamid"]
    org.call("POST", f"teams({team})/teammembership_association/$ref", {"@odata.id": f"{org.root}systemusers({user})"})
    assert "prvReadLead" in {
        one["PrivilegeName"] for one in org.get(f"systemusers({user})/{NS}.RetrieveUserPrivileges()")["RolePrivileges"]
    }


def test_a_table_names_its_privileges_and_activities_share_theirs(org):
    def read(table: str) -> list[str]:
        told = org.get(f"EntityDefinitions(LogicalName='{table}')?$select=LogicalName,OwnershipType,Privileges")
        return [one["Name"] for one in told["Privileges"] if one["PrivilegeType"] == "Read"]

    assert (read("lead"), read("task"), read("email")) == (["prvReadLead"], ["prvReadActivity"], ["prvReadActivity"])
