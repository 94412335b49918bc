"""What is read of an environment's users and teams, over HTTP from a simulated organisation."""

import pytest
import requests

from connectors.dataverse import directory
from loads import bindings
from loads.destination import Destination
from mapping import plan
from mapping.models import ObjectMap, OwnerMatch
from mapping.owners import checks, snapshot, tasks
from mapping.owners.matching import candidates
from tests import folders
from tests.playing import engagement_on

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
ROOT, NORTH, FAR = (f"00000000-0000-0000-0000-0000000000b{n}" for n in range(3))
UNITS = [
    {"businessunitid": ROOT, "name": "Halden"},
    {"businessunitid": NORTH, "name": "Nordics", "_parentbusinessunitid_value": ROOT},
    {"businessunitid": FAR, "name": "Fjord", "_parentbusinessunitid_value": NORTH},
]


def person(number: int, name: str, unit: str, **fields):
    values = {"systemuserid": f"00000000-0000-0000-0000-0000000000c{number}", "fullname": name, "isdisabled": False, "accessmode": 0}
    return {**values, "internalemailaddress": f"{name.lower()}@corp.example", "_businessunitid_value": unit, **fields}


SELLERS = [person(0, "Asa", ROOT), person(1, "Bo", FAR), person(2, "Ron", NORTH, accessmode=3), person(3, "Dora", ROOT, isdisabled=True)]
TEAMS = [
    {"teamid": f"00000000-0000-0000-0000-0000000000d{n}", "name": name, "teamtype": kind, "_businessunitid_value": unit}
    for n, (name, kind, unit) in enumerate([("Sales", 0, ROOT), ("Fjord sales", 0, FAR), ("Deal room", 1, ROOT)])
]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    rows = {"dataverse/businessunit": UNITS, "dataverse/systemuser": SELLERS, "dataverse/team": TEAMS}
    return folders.write(tmp_path_factory.mktemp("source"), [], rows=rows)


def read(engagement):
    ObjectMap.objects.create(engagement=engagement, object_name="user", tables=["contact", "lead", "task", "email", "product", "not_there"])
    environment = engagement.environments.get(kind="production")
    seen = snapshot.read(environment, Destination(environment).client)
    snapshot.keep(environment, seen)
    return seen, candidates(environment)


def take(servers, principal: str, *privileges: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        body = {"user": principal, "missing": list(privileges)}
        assert session.post(f"{servers.dataverse}/_simulator/privileges", json=body, timeout=10).ok


def test_users_and_teams_are_judged_by_state_kind_unit_and_what_their_roles_read_of_the_owned_tables(tmp_path, source):
    with engagement_on(source, tmp_path, owner_business_unit="nordics ") as (engagement, _, servers):
        take(servers, SELLERS[1]["systemuserid"], "prvReadActivity")
        take(servers, TEAMS[1]["teamid"], "prvReadLead")
        seen, known = read(engagement)
        assert {(table.name, table.activity) for table in seen.tables} == {
            ("contact", False), ("lead", False), ("task", True), ("email", True),
        }  # fmt: skip
        problems = {name: known.find("user", f"{name}@corp.example").problem for name in ("asa", "bo", "ron", "dora")}
        assert problems == {
            "asa": "The user is in the business unit Halden, outside the one that owners must lie in.",
            "bo": "The user's roles don't read email, task.",
            "ron": "It is an application or support user.",
            "dora": "The user is disabled.",
        }
        assert known.find("team", "Fjord Sales").problem == "The team's roles don't read lead."
        assert known.find("team", "fjord sales", ["contact"]).principal.unit == "Fjord"
        assert known.find("team", "Deal room").problem == "The team isn't an owner team."


def test_without_an_option_owners_lie_in_or_below_the_application_users_own_unit(tmp_path, source):
    with engagement_on(source, tmp_path) as (engagement, *_):
        seen, known = read(engagement)
        assert (seen.unit, seen.able("user"), known.unit) == ("Halden", 2, "Halden")
        assert known.find("user", "bo@corp.example").principal is not None


def test_a_unit_that_is_not_there_bars_everybody_and_is_said(tmp_path, source):
    with engagement_on(source, tmp_path, owner_business_unit="Atlantis") as (engagement, *_):
        seen, known = read(engagement)
        assert (seen.there, seen.able("user"), seen.able("team")) == (False, 0, 0)
        assert "outside" in known.find("user", "asa@corp.example").problem


def test_a_disabled_user_is_bound_only_where_somebody_signed_for_it(tmp_path, source):
    with engagement_on(source, tmp_path) as (engagement, cast, _):
        ObjectMap.objects.create(engagement=engagement, object_name="user", tables=["contact"])
        OwnerMatch.objects.create(engagement=engagement, source_owner="", kind="team", answer="Sales")
        answered = {"kind": "stub", "answer": "dora@corp.example", "signed_by": "ada"}
        match = OwnerMatch.objects.create(engagement=engagement, source_owner="dora", **answered)
        production = engagement.environments.get(kind="production")
        bound = []
        for kind in ("stub", "user"):
            OwnerMatch.objects.filter(pk=match.pk).update(kind=kind)
            plan.revise(engagement, ["owners"], actor=cast.engineer)
            rows = bindings.bind(production, actor=cast.engineer)
            bound.append(next((str(row.row_id), row.problem) for row in rows if row.kind == "user"))
        assert bound == [(SELLERS[3]["systemuserid"], ""), ("None", "The user is disabled.")]


def test_users_are_read_again_once_something_was_mended_and_an_environment_that_fails_stops_no_other(tmp_path, source):
    with engagement_on(source, tmp_path) as (engagement, _, servers):
        servers.fault("dataverse_sandbox", {"path": "systemusers", "do": "status", "status": 403})
        take(servers, SELLERS[0]["systemuserid"], "prvReadLead")
        _, known = read(engagement)
        match = OwnerMatch.objects.create(engagement=engagement, source_owner="asa@corp.example", kind="user", answer="asa@corp.example")
        checks.refresh(engagement)
        match.refresh_from_db()
        assert match.problems == {"production": "The user's roles don't read lead."}
        take(servers, SELLERS[0]["systemuserid"])
        tasks.want(engagement, "dora")
        match.refresh_from_db()
        assert match.problems == {}
        detail = engagement.history.get(action="read users and teams").detail
        assert detail["sandbox"].startswith("not read")


def test_a_user_reads_what_the_roles_of_their_teams_read_and_one_without_any_role_reads_nothing(tmp_path):
    role, seller, team = "00000000-0000-0000-0000-0000000000e0", SELLERS[0], TEAMS[0]
    tim, lone = person(4, "Tim", ROOT), person(5, "Lone", ROOT)
    rows = {
        "dataverse/businessunit": UNITS,
        "dataverse/systemuser": [seller, tim, lone],
        "dataverse/team": [team],
        "dataverse/role": [{"roleid": role, "name": "Seller"}],
        "dataverse/systemuserroles": [{"systemuserroleid": role, "systemuserid": seller["systemuserid"], "roleid": role}],
        "dataverse/teamroles": [{"teamroleid": role, "teamid": team["teamid"], "roleid": role}],
        "dataverse/teammembership": [{"teammembershipid": role, "teamid": team["teamid"], "systemuserid": tim["systemuserid"]}],
    }
    with engagement_on(folders.write(tmp_path / "source", [], rows=rows), tmp_path) as (engagement, *_):
        _, known = read(engagement)
        assert known.find("user", "asa@corp.example").problem == ""
        assert known.find("user", "tim@corp.example").problem == ""
        assert known.find("user", "lone@corp.example").problem == "The user's roles don't read contact, email, lead, task."
        assert known.find("team", "Sales").problem == ""


def test_all_who_have_the_same_roles_are_asked_about_once(tmp_path, source):
    with engagement_on(source, tmp_path) as (engagement, *_):
        client = Destination(engagement.environments.get(kind="production")).client
        before = client.stats["requests"]
        held = directory.privileges_of_all(client, [one["systemuserid"] for one in SELLERS], [one["teamid"] for one in TEAMS])
        assert len(held) == 7
        assert client.stats["requests"] - before == 5  # three tables of links, one kind of user, one kind of team
        assert held[TEAMS[2]["teamid"]] == frozenset()  # an access team has no role
