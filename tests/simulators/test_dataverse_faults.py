"""What goes wrong at a destination, as a test sets it up: limits, capacity, slow keys, disabled users, people who edit meanwhile."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from connectors.simulators.control import Control
from connectors.simulators.dataverse import build_app
from connectors.simulators.servers import Options, start
from tests import simulated
from tests.simulators.dataverse_organisation import CLIENT_ID, KEY, Organisation, publisher, token

OTHER_CLIENT = "22222222-aaaa-4bbb-8ccc-333333333333"


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    """An organisation behind its control paths, with two application users and one person."""
    app = build_app(tmp_path_factory.mktemp("empty"), sandbox=False, signing_key=KEY, client_id=CLIENT_ID, more_client_ids=[OTHER_CLIENT])
    with simulated.serve(Control(stats=app.state.stats).wrap(app)) as address, Organisation(app, address).session as session:
        served = Organisation(app, address)
        served.session = session
        session.headers["Authorization"] = f"Bearer {token()}"
        publisher(served)
        served.person = served.create("systemusers", {"firstname": "An", "lastname": "Editor", "domainname": "an@example.com"})
        role = served.get("roles?$filter=name eq 'Salesperson'")["value"][0]["roleid"]
        link = {"@odata.id": f"{served.root}roles({role})"}
        assert served.call("POST", f"systemusers({served.person})/systemuserroles_association/$ref", link).status_code == 204
        served.control("stats", {})
        yield served


@pytest.fixture(autouse=True)
def as_it_was(org):
    yield
    org.control("limits", {"pace": "none"})
    org.control("capacity", {"hint": 8, "slots": None, "latency_ms": 0, "row_ms": 0, "read_row_ms": 0, "users": {}})
    org.control("keys", {"build_s": 0, "fail": 0})
    org.control("stats", {})


def stats(org):
    return org.session.get(f"{org.address}/_simulator/stats", timeout=10).json()


def usage(org, client_id=CLIENT_ID):
    return next(user for user in stats(org)["users"].values() if user["application_id"] == client_id)


def at_once(org, count, client_id=CLIENT_ID, path="WhoAmI"):
    """So many requests at the same time: their answers, and how long it took."""
    headers = {"Authorization": f"Bearer {token(client_id=client_id)}"}
    start = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(lambda _: requests.get(org.root + path, headers=headers, timeout=30), range(count)))
    return answers, time.monotonic() - start


def test_the_request_limit_answers_429_with_the_services_own_words_and_is_counted(org):
    org.control("limits", {"pace": "scaled", "requests": 5})
    answers, _ = at_once(org, 8)
    refused = [a for a in answers if a.status_code == 429]
    assert len(refused) == 3
    assert {a.json()["error"]["code"] for a in refused} == {"0x80072322"}
    assert all(1 <= int(a.headers["Retry-After"]) <= 5 for a in refused)
    assert (usage(org)["requests"], usage(org)["refused"]) == (5, {"0x80072322": 3})
    assert usage(org)["share"]["requests"] == 1.0


def test_concurrency_and_execution_time_are_limited_per_user(org):
    org.control("capacity", {"latency_ms": 100})
    org.control("limits", {"pace": "real", "concurrent": 3, "execution_s": 0.25})
    answers, _ = at_once(org, 6)
    assert sorted(a.status_code for a in answers) == [200] * 3 + [429] * 3
    answers, _ = at_once(org, 1)
    assert answers[0].json()["error"]["code"] == "0x80072321"
    assert at_once(org, 1, OTHER_CLIENT)[0][0].status_code == 200
    assert usage(org)["refused"] == {"0x80072326": 3, "0x80072321": 1}
    assert usage(org)["running_peak"] == 3


def test_a_client_that_keeps_the_cookie_stays_on_one_web_server(org):
    org.control("limits", {"pace": "real", "requests": 4, "web_servers": 2})
    with requests.Session() as keeping:
        keeping.headers["Authorization"] = f"Bearer {token()}"
        kept = [keeping.get(org.root + "WhoAmI", timeout=10).status_code for _ in range(5)]
    dropped = [at_once(org, 1)[0][0].status_code for _ in range(4)]
    assert (kept, dropped.count(200)) == ([200] * 4 + [429], 2)


def test_requests_beyond_a_users_slots_wait_and_another_user_has_slots_of_its_own(org):
    org.control("capacity", {"latency_ms": 100, "hint": 2, "users": {OTHER_CLIENT: {"hint": 5, "slots": 4}}})
    answers, alone = at_once(org, 4)
    assert {a.headers["x-ms-dop-hint"] for a in answers} == {"2"}
    others, beside = at_once(org, 4, OTHER_CLIENT)
    assert {a.headers["x-ms-dop-hint"] for a in others} == {"5"}
    assert alone >= 0.2 > beside
    assert usage(org)["execution_s"] > usage(org, OTHER_CLIENT)["execution_s"]


def test_the_slots_of_the_organisation_are_shared(org):
    org.control("capacity", {"latency_ms": 100, "organisation_slots": 1})
    took = []
    threads = [threading.Thread(target=lambda client=c: took.append(at_once(org, 1, client)[1])) for c in (CLIENT_ID, OTHER_CLIENT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    org.control("capacity", {"organisation_slots": None})
    assert max(took) >= 0.2


def test_each_row_that_is_written_costs_time_and_counts_as_an_operation(org):
    org.control("capacity", {"row_ms": 5})
    start = time.monotonic()
    assert org.bulk("contacts", "contact", "CreateMultiple", [{"lastname": f"Cost {n}"} for n in range(30)]).status_code == 200
    assert time.monotonic() - start >= 0.15
    assert (usage(org)["requests"], usage(org)["operations"]) == (1, 30)
    org.control("capacity", {"row_ms": 0, "read_row_ms": 5})
    start = time.monotonic()
    assert len(org.get("contacts?$filter=startswith(lastname,'Cost')")["value"]) == 30
    assert time.monotonic() - start >= 0.15


@pytest.mark.parametrize("wrong", [{"hint": 0}, {"latency_ms": -1}, {"slot": 1}, {"users": {"x": {"latency_ms": 1}}}])
def test_capacity_that_makes_no_sense_is_refused_and_changes_nothing(org, wrong):
    assert org.control("capacity", wrong).status_code == 400
    assert stats(org)["capacity"]["hint"] == 8


def key_status(org, name):
    found = org.get("EntityDefinitions(LogicalName='contact')/Keys")["value"]
    return next(key["EntityKeyIndexStatus"] for key in found if key["LogicalName"] == name)


def ask_for_key(org, name, column):
    org.column("contact", "String", column, MaxLength=50)
    made = org.call("POST", "EntityDefinitions(LogicalName='contact')/Keys", {"SchemaName": name, "KeyAttributes": [column]})
    assert made.status_code == 204, made.text


def wait_for(org, name, status):
    until = time.monotonic() + 10
    while key_status(org, name) != status:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_key_neither_finds_nor_forbids_a_row_until_its_index_is_built(org):
    org.control("keys", {"build_s": 0.6})
    ask_for_key(org, "mwb_slow", "mwb_slowid")
    assert key_status(org, "mwb_slow") == "Pending"
    row = org.create("contacts", {"lastname": "Keyed", "mwb_slowid": "k1"})
    assert org.refusal("GET", "contacts(mwb_slowid='k1')")[0] == 400
    wait_for(org, "mwb_slow", "InProgress")
    wait_for(org, "mwb_slow", "Active")
    assert org.get("contacts(mwb_slowid='k1')")["contactid"] == row
    assert org.refusal("POST", "contacts", {"lastname": "Clash", "mwb_slowid": "k1"}) == (412, "0x80060892")


def test_a_key_fails_where_rows_clash_by_the_time_it_is_built_and_can_be_built_again(org):
    org.control("keys", {"build_s": 0.3})
    ask_for_key(org, "mwb_clash", "mwb_clashid")
    rows = [org.create("contacts", {"lastname": "Twin", "mwb_clashid": "same"}) for _ in range(2)]
    wait_for(org, "mwb_clash", "Failed")
    org.call("DELETE", f"contacts({rows[0]})")
    again = {"EntityLogicalName": "contact", "EntityKeyLogicalName": "mwb_clash"}
    assert org.call("POST", "ReactivateEntityKey", again).status_code == 204
    wait_for(org, "mwb_clash", "Active")


def test_a_build_can_be_told_to_fail(org):
    org.control("keys", {"fail": 1})
    ask_for_key(org, "mwb_doomed", "mwb_doomedid")
    assert key_status(org, "mwb_doomed") == "Failed"
    ask_for_key(org, "mwb_fine", "mwb_fineid")
    assert key_status(org, "mwb_fine") == "Active"


def test_a_disabled_application_user_is_refused_until_it_is_enabled_again(org):
    assert org.control("users", {"application_id": OTHER_CLIENT, "disabled": True}).ok
    assert at_once(org, 1, OTHER_CLIENT)[0][0].status_code == 403
    assert at_once(org, 1)[0][0].status_code == 200
    org.control("users", {"application_id": OTHER_CLIENT, "disabled": False})
    assert at_once(org, 1, OTHER_CLIENT)[0][0].status_code == 200


def test_a_disabled_user_can_own_nothing_new(org):
    values = {"lastname": "Owned", "ownerid@odata.bind": f"/systemusers({org.person})"}
    org.create("contacts", values)
    org.control("users", {"user": org.person})
    assert org.refusal("POST", "contacts", values)[1] == "0x8004022b"
    org.control("users", {"user": org.person, "disabled": False})
    org.create("contacts", values)


def test_people_edit_build_upon_and_delete_rows_that_are_drawn_by_the_seed(org):
    ids = org.bulk("accounts", "account", "CreateMultiple", [{"name": f"Meddled {n}"} for n in range(12)]).json()["Ids"]
    drawn = org.control("edit", {"table": "account", "count": 3, "seed": 7, "values": {"telephone1": "555"}}).json()["ids"]
    assert len(set(drawn)) == 3
    rows = {row["accountid"]: row for row in org.dump("account")}
    assert {i for i in ids if rows[i]["telephone1"] == "555"} == set(drawn) & set(ids)
    assert {rows[i]["_modifiedby_value"] for i in drawn} == {org.person}
    assert org.control("edit", {"table": "account", "count": 3, "seed": 7, "values": {"fax": "1"}}).json()["ids"] == drawn

    child = {"child": "contact", "lookup": "parentcustomerid", "values": {"lastname": "Added"}}
    children = org.control("build_upon", {"table": "account", "ids": ids[:2], **child}).json()["ids"]
    added = [org.get(f"contacts({i})") for i in children]
    assert [c["_parentcustomerid_value"] for c in added] == ids[:2]
    assert {c["_createdby_value"] for c in added} == {org.person}

    assert org.control("delete", {"table": "account", "id": ids[0]}).json() == {"ids": [ids[0]]}
    gone = [ids[0], children[0]]  # contacts go along with their account
    assert [org.call("GET", path).status_code for path in (f"accounts({gone[0]})", f"contacts({gone[1]})")] == [404, 404]


def test_a_deed_that_fails_half_way_does_nothing(org):
    first = org.create("contacts", {"lastname": "Whole"})
    refused = org.control("edit", {"table": "contact", "ids": [first, org.person], "values": {"lastname": "Half"}})
    assert (refused.status_code, org.get(f"contacts({first})")["lastname"]) == (404, "Whole")


def test_a_person_can_edit_a_row_between_a_clients_read_and_its_write(org):
    row = org.create("contacts", {"lastname": "Read"})
    version = org.get(f"contacts({row})")["@odata.etag"]
    meanwhile = {"table": "contact", "id": row, "values": {"lastname": "Person"}}
    fault = {"method": "PATCH", "path": "contacts", "do": "call", "call": "edit", "body": meanwhile, "times": 1}
    assert org.control("faults", {"faults": [fault]}).ok
    refused = org.call("PATCH", f"contacts({row})", {"lastname": "Ours"}, {"If-Match": version})
    assert (refused.status_code, org.get(f"contacts({row})")["lastname"]) == (412, "Person")


def test_further_application_users_sign_in_with_their_own_secrets(tmp_path):
    control = {"dataverse": {"capacity": {"hint": 3}, "limits": {"pace": "scaled", "requests": 50}}}
    options = Options(data=tmp_path, only=["dataverse"], application_users=3, control=control)
    with start(options, as_threads=True) as running, requests.Session() as session:
        session.trust_env, session.verify = False, running.addresses["ca"]
        scope = f"{running.addresses['dataverse']}/.default"
        credentials = running.addresses["credentials"]
        users = set()
        for client in (credentials, *credentials["more_clients"]):
            form = {"grant_type": "client_credentials", "scope": scope, **{k: client[k] for k in ("client_id", "client_secret")}}
            answer = session.post(f"{running.addresses['entra']}/oauth2/v2.0/token", data=form, timeout=10)
            bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            who = session.get(f"{running.addresses['dataverse']}/api/data/v9.2/WhoAmI", headers=bearer, timeout=10)
            assert who.headers["x-ms-dop-hint"] == "3"
            users.add(who.json()["UserId"])
        assert len(users) == 3
        seen = session.get(f"{running.addresses['dataverse']}/_simulator/stats", timeout=10).json()
        assert seen["limits"]["requests"] == 50


def test_a_control_that_a_server_refuses_stops_the_start(tmp_path):
    with pytest.raises(ValueError, match="hint is a whole number"):
        start(Options(data=tmp_path, only=["dataverse"], control={"dataverse": {"capacity": {"hint": 0}}}), as_threads=True)
