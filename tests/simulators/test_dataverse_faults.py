"""What goes wrong at a destination, as a test sets it up: limits, capacity, slow keys, disabled users, people who edit meanwhile."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import requests

from connectors.simulators.control import Control
from connectors.simulators.dataverse import build_app
from connectors.simulators.dataverse.capacity import Capacity, Slots
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


def at_once(org, count, client_id=CLIENT_ID):
    """So many requests at the same time: their answers."""
    headers = {"Authorization": f"Bearer {token(client_id=client_id)}"}
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: requests.get(f"{org.root}WhoAmI", headers=headers, timeout=30), range(count)))


def test_the_request_limit_answers_429_with_the_services_own_words_and_is_counted(org):
    org.control("limits", {"pace": "scaled", "requests": 5})
    answers = at_once(org, 8)
    refused = [a for a in answers if a.status_code == 429]
    assert len(refused) == 3
    assert {a.json()["error"]["code"] for a in refused} == {"0x80072322"}
    assert all(1 <= int(a.headers["Retry-After"]) <= 5 for a in refused)
    assert (usage(org)["requests"], usage(org)["refused"]) == (5, {"0x80072322": 3})
    assert usage(org)["share"]["requests"] == 1.0


def test_concurrency_and_execution_time_are_limited_per_user(org):
    org.control("capacity", {"latency_ms": 500})
    org.control("limits", {"pace": "real", "concurrent": 3, "execution_s": 0.25})
    answers = at_once(org, 6)
    assert sorted(a.status_code for a in answers) == [200] * 3 + [429] * 3
    answers = at_once(org, 1)
    assert answers[0].json()["error"]["code"] == "0x80072321"
    assert at_once(org, 1, OTHER_CLIENT)[0].status_code == 200
    assert usage(org)["refused"] == {"0x80072326": 3, "0x80072321": 1}
    assert usage(org)["running_peak"] == 3


def test_a_client_that_keeps_the_cookie_stays_on_one_web_server(org):
    org.control("limits", {"pace": "real", "requests": 4, "web_servers": 2})
    with requests.Session() as keeping:
        keeping.headers["Authorization"] = f"Bearer {token()}"
        kept = [keeping.get(org.root + "WhoAmI", timeout=10).status_code for _ in range(5)]
    dropped = [at_once(org, 1)[0].status_code for _ in range(4)]
    assert (kept, dropped.count(200)) == ([200] * 4 + [429], 2)


def test_each_user_is_told_its_own_hint(org):
    org.control("capacity", {"hint": 2, "users": {OTHER_CLIENT: {"hint": 5, "slots": 4}}})
    hints = [at_once(org, 1, client)[0].headers["x-ms-dop-hint"] for client in (CLIENT_ID, OTHER_CLIENT)]
    assert hints == ["2", "5"]


@pytest.mark.parametrize(("together", "others_wait"), [(None, False), (2, True)])
def test_requests_beyond_the_slots_of_a_user_or_of_the_organisation_wait(together, others_wait):
    async def work():
        slots, held = Slots(Capacity(organisation_slots=together)), []

        async def hold(user):
            async with slots.hold(user, 2):
                held.append(user)
                await go_on.wait()

        go_on = asyncio.Event()
        tasks = [asyncio.create_task(hold(user)) for user in ("a", "a", "a", "b")]
        await asyncio.sleep(0.01)
        at_first = list(held)
        go_on.set()
        await asyncio.gather(*tasks)
        return at_first, sorted(held)

    assert asyncio.run(work()) == (["a", "a"] if others_wait else ["a", "a", "b"], ["a", "a", "a", "b"])


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


@pytest.fixture
def clock(org):
    """The organisation's clock in the test's hands: add to `now`."""
    destination = org.app.state.service.org
    real, hand = destination.clock, SimpleNamespace(now=0.0)
    destination.clock = lambda: hand.now
    yield hand
    destination.clock = real


def key_status(org, name):
    found = org.get("EntityDefinitions(LogicalName='contact')/Keys")["value"]
    return next(key["EntityKeyIndexStatus"] for key in found if key["LogicalName"] == name)


def ask_for_key(org, name, column):
    org.column("contact", "String", column, MaxLength=50)
    made = org.call("POST", "EntityDefinitions(LogicalName='contact')/Keys", {"SchemaName": name, "KeyAttributes": [column]})
    assert made.status_code == 204, made.text


def test_a_key_neither_finds_nor_forbids_a_row_until_its_index_is_built(org, clock):
    org.control("keys", {"build_s": 60})
    ask_for_key(org, "mwb_slow", "mwb_slowid")
    assert key_status(org, "mwb_slow") == "Pending"
    row = org.create("contacts", {"lastname": "Keyed", "mwb_slowid": "k1"})
    assert org.refusal("GET", "contacts(mwb_slowid='k1')")[0] == 400
    clock.now = 40
    assert key_status(org, "mwb_slow") == "InProgress"
    clock.now = 60
    assert key_status(org, "mwb_slow") == "Active"
    assert org.get("contacts(mwb_slowid='k1')")["contactid"] == row
    assert org.refusal("POST", "contacts", {"lastname": "Clash", "mwb_slowid": "k1"}) == (412, "0x80060892")


def test_a_key_fails_where_rows_clash_by_the_time_it_is_built_and_can_be_built_again(org, clock):
    org.control("keys", {"build_s": 60})
    ask_for_key(org, "mwb_clash", "mwb_clashid")
    rows = [org.create("contacts", {"lastname": "Twin", "mwb_clashid": "same"}) for _ in range(2)]
    clock.now = 60
    assert key_status(org, "mwb_clash") == "Failed"
    org.call("DELETE", f"contacts({rows[0]})")
    again = {"EntityLogicalName": "contact", "EntityKeyLogicalName": "mwb_clash"}
    assert org.call("POST", "ReactivateEntityKey", again).status_code == 204
    assert key_status(org, "mwb_clash") == "Pending"
    clock.now = 120
    assert key_status(org, "mwb_clash") == "Active"


def test_a_build_can_be_told_to_fail(org):
    org.control("keys", {"fail": 1})
    ask_for_key(org, "mwb_doomed", "mwb_doomedid")
    assert key_status(org, "mwb_doomed") == "Failed"
    ask_for_key(org, "mwb_fine", "mwb_fineid")
    assert key_status(org, "mwb_fine") == "Active"


def test_a_disabled_application_user_is_refused_until_it_is_enabled_again(org):
    assert org.control("users", {"application_id": OTHER_CLIENT, "disabled": True}).ok
    assert at_once(org, 1, OTHER_CLIENT)[0].status_code == 403
    assert at_once(org, 1)[0].status_code == 200
    org.control("users", {"application_id": OTHER_CLIENT, "disabled": False})
    assert at_once(org, 1, OTHER_CLIENT)[0].status_code == 200


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
