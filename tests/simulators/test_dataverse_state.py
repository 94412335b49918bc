"""What an organisation starts from and what it keeps: the data folder, `later/`, the journal, and its dumps."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from connectors.simulators.credentials import CREDENTIALS, signing_key
from connectors.simulators.entra import issue_token
from connectors.simulators.servers import Options, start
from tests.simulators.dataverse_organisation import CLIENT_ID, NS, guid, label, organisation, publisher

UNIT, USER = "b0000000-0000-4000-8000-000000000001", "d0000000-0000-4000-8000-000000000001"


def write(folder, name, *rows):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def world(folder):
    write(folder, "dataverse/businessunit.ndjson", {"businessunitid": UNIT, "name": "Root"})
    user = {"systemuserid": USER, "fullname": "Ann", "internalemailaddress": "ann@x.example", "_businessunitid_value": UNIT}
    write(folder, "dataverse/systemuser.ndjson", user)
    write(folder, "dataverse/account.ndjson", {"accountid": guid(), "name": "x" * 500}, {"accountid": guid(), "name": "Stays"})
    write(folder, "dataverse_sandbox/account.ndjson", {"accountid": guid(), "name": "Sandbox only"})
    return folder


def test_rows_of_the_folder_are_served_as_they_lie(tmp_path):
    with organisation(world(tmp_path)) as org:
        assert sorted(len(r["name"]) for r in org.get("accounts?$select=name")["value"]) == [5, 500]
        assert org.get(f"systemusers({USER})?$select=fullname,_businessunitid_value")["_businessunitid_value"] == UNIT
        assert org.get("WhoAmI")["BusinessUnitId"] == UNIT
        assert [r["applicationid"] for r in org.get("systemusers?$filter=applicationid ne null")["value"]] == [CLIENT_ID]
        assert org.get("businessunits")["value"][0]["name"] == "Root"
        assert org.get("teams?$filter=isdefault eq true")["value"][0]["name"] == "Root"


def test_the_sandbox_takes_its_own_files_and_else_the_shared_ones(tmp_path):
    with organisation(world(tmp_path), sandbox=True) as org:
        assert [r["name"] for r in org.get("accounts?$select=name")["value"]] == ["Sandbox only"]
        assert org.get(f"systemusers({USER})")["fullname"] == "Ann"


def test_metadata_and_settings_of_the_folder_hold(tmp_path):
    column = {"@odata.type": f"{NS}.StringAttributeMetadata", "SchemaName": "old_code", "MaxLength": 20, "DisplayName": label("Code")}
    primary = {**column, "SchemaName": "old_name", "IsPrimaryName": True}
    table = {"SchemaName": "old_Visit", "OwnershipType": "UserOwned", "DisplayName": label("Visit"), "Attributes": [primary]}
    content = {"tables": [table], "columns": {"contact": [column]}, "organization": {"maxuploadfilesize": 1000}}
    write(tmp_path, "dataverse/metadata.json", content)
    write(tmp_path, "dataverse/old_visit.ndjson", {"old_visitid": guid(), "old_name": "V"})
    with organisation(tmp_path) as org:
        assert org.get("organizations")["value"][0]["maxuploadfilesize"] == 1000
        assert org.get("old_visits")["value"][0]["old_name"] == "V"
        assert org.create("contacts", {"lastname": "x", "old_code": "y"})


def test_later_files_replace_those_of_the_same_name_and_leave_other_rows_alone(tmp_path):
    kept, gone = guid(), guid()
    write(tmp_path, "dataverse/contact.ndjson", {"contactid": kept, "lastname": "Kept"}, {"contactid": gone, "lastname": "Gone"})
    write(tmp_path, "later/dataverse/contact.ndjson", {"contactid": kept, "lastname": "Renamed"})
    with organisation(tmp_path) as org:
        ours = org.create("contacts", {"lastname": "Ours"})
        before = org.get(f"contacts({kept})")["@odata.etag"]
        org.app.state.advance()
        assert sorted(r["lastname"] for r in org.get("contacts")["value"]) == ["Ours", "Renamed"]
        assert org.get(f"contacts({kept})")["@odata.etag"] != before
        assert org.get(f"contacts({ours})")


def change(org):
    publisher(org)
    assert org.column("contact", "String", "mwb_sourceid", MaxLength=100).status_code == 204
    key = {"SchemaName": "mwb_Key", "KeyAttributes": ["mwb_sourceid"]}
    assert org.call("POST", "EntityDefinitions(LogicalName='contact')/Keys", key).status_code == 204
    rows = [{"lastname": f"J{n}", "mwb_sourceid": f"s{n}"} for n in range(5)]
    ids = org.bulk("contacts", "contact", "CreateMultiple", rows).json()["Ids"]
    org.call("DELETE", f"contacts({ids[0]})")
    org.call("PATCH", f"contacts({ids[1]})", {"lastname": "Changed"})
    assert org.bulk("contacts", "contact", "CreateMultiple", [{"lastname": "no"}, {"lastname": "y" * 99}]).status_code == 400
    return ids


def test_what_was_answered_survives_a_kill(tmp_path):
    data, state = world(tmp_path / "data"), tmp_path / "state"
    with organisation(data, state=state) as org:
        ids = change(org)
        before = {t: org.dump(t) for t in ("contact", "publisher", "account", "solutioncomponent")}
    time.sleep(1.1)  # a start in another second
    journal = next(state.glob("*.jsonl"))
    journal.write_bytes(journal.read_bytes() + b'{"rows": {"contact": {"torn')
    for attempt in range(2):  # the torn line is cut off for good: what is written after it can be read
        with organisation(data, state=state) as org:
            assert {t: org.dump(t) for t in before} == before
            assert org.get("leads?$filter=lastname eq 'Restart'&$count=true")["@odata.count"] == attempt
            org.create("leads", {"subject": "after", "lastname": "Restart"})
            assert org.refusal("POST", "contacts", {"mwb_sourceid": "s3"}) == (412, "0x80060892")
            assert org.get("contacts(mwb_sourceid='s1')")["lastname"] == "Changed"
            assert org.get(f"contacts({ids[2]})")["versionnumber"]


def key_states(org):
    return {k["LogicalName"]: k["EntityKeyIndexStatus"] for k in org.get("EntityDefinitions(LogicalName='contact')/Keys")["value"]}


def ask_for_key(org, name):
    assert org.column("contact", "String", f"mwb_{name}id", MaxLength=50).status_code == 204
    key = {"SchemaName": f"mwb_{name}", "KeyAttributes": [f"mwb_{name}id"]}
    assert org.call("POST", "EntityDefinitions(LogicalName='contact')/Keys", key).status_code == 204


def test_keys_are_after_a_restart_what_they_were_when_their_index_was_built(tmp_path):
    with organisation(tmp_path, state=tmp_path / "state") as org:
        publisher(org)
        clock = [0.0]
        org.app.state.service.org.clock = lambda: clock[0]
        org.control("keys", {"build_s": 60})
        ask_for_key(org, "clash")
        twins = [org.create("contacts", {"lastname": "Twin", "mwb_clashid": "same"}) for _ in range(2)]
        clock[0] = 60.0
        assert key_states(org) == {"mwb_clash": "Failed"}
        org.call("DELETE", f"contacts({twins[0]})")  # now nothing clashes any more, but the key has failed
        org.control("keys", {"build_s": 0, "fail": 1})
        ask_for_key(org, "doomed")
        ask_for_key(org, "fine")
        org.control("keys", {"build_s": 60})
        ask_for_key(org, "slow")
        assert key_states(org) == {"mwb_clash": "Failed", "mwb_doomed": "Failed", "mwb_fine": "Active", "mwb_slow": "Pending"}
    with organisation(tmp_path, state=tmp_path / "state") as org:
        assert key_states(org) == {"mwb_clash": "Failed", "mwb_doomed": "Failed", "mwb_fine": "Active", "mwb_slow": "Active"}


def test_files_and_taken_privileges_survive_a_restart_and_an_upload_goes_on(tmp_path):
    chunk = {"x-ms-transfer-mode": "chunked", "x-ms-file-name": "b.txt"}
    with organisation(tmp_path, state=tmp_path / "state") as org:
        publisher(org)
        org.column("account", "File", "mwb_doc")
        one, other = (org.create("accounts", {"name": name}) for name in ("One", "Other"))
        whole = org.session.patch(f"{org.root}accounts({one})/mwb_doc", data=b"whole", headers={"x-ms-file-name": "a.txt"}, timeout=10)
        begun = org.session.patch(f"{org.root}accounts({other})/mwb_doc", headers=chunk, timeout=10)
        place = begun.headers["Location"].removeprefix(org.root)
        first = org.session.patch(org.root + place, data=b"12345", headers={"Content-Range": "bytes 0-4/10"}, timeout=10)
        assert [a.status_code for a in (whole, begun, first)] == [204, 200, 206]
        org.control("privileges", {"missing": ["prvCreateLead"]})
    with organisation(tmp_path, state=tmp_path / "state") as org:
        assert org.refusal("POST", "leads", {"subject": "s"})[0] == 403
        again = org.session.patch(org.root + place, data=b"12345", headers={"Content-Range": "bytes 0-4/10"}, timeout=10)
        rest = org.session.patch(org.root + place, data=b"67890", headers={"Content-Range": "bytes 5-9/10"}, timeout=10)
        assert (again.status_code, rest.status_code) == (400, 204)
        assert [org.call("GET", f"accounts({i})/mwb_doc/$value").content for i in (one, other)] == [b"whole", b"1234567890"]
        digests = {row["name"]: row["mwb_doc"] for row in org.dump("account", canonical=True)}
        assert digests["One"].startswith("sha256:")
        assert digests["One"] != digests["Other"]
        org.control("privileges", {"missing": []})
        org.create("leads", {"subject": "s"})


def test_a_server_that_is_killed_while_it_is_written_to_keeps_all_that_it_answered(tmp_path):
    options = Options(data=tmp_path, only=["dataverse"], state=tmp_path / "state", control={"dataverse": {"capacity": {"latency_ms": 2}}})
    answered = {}

    def write(address, headers, worker):
        """Creates until the server is gone."""
        for number in range(10_000):
            row = {"@odata.type": f"{NS}.contact", "contactid": guid(), "lastname": f"{worker}-{number}"}
            body = {"Targets": [row, {**row, "contactid": guid()}]}
            try:
                answer = requests.post(f"{address}contacts/{NS}.CreateMultiple", json=body, headers=headers, timeout=10)
            except requests.ConnectionError:
                return
            answered.update(dict.fromkeys(answer.json()["Ids"], row["lastname"]))

    def headers_for(running):
        claims = {"aud": running.addresses["dataverse"], "appid": CREDENTIALS["client_id"], "exp": time.time() + 600}
        return {"Authorization": f"Bearer {issue_token(claims, signing_key())}"}

    with start(options) as running, ThreadPoolExecutor(4) as pool:
        for worker in range(4):
            pool.submit(write, f"{running.addresses['dataverse']}/api/data/v9.2/", headers_for(running), worker)
        while len(answered) < 100:
            time.sleep(0.01)
        os.kill(running.pids["dataverse"], signal.SIGKILL)
    with start(options) as running:
        lines = requests.get(f"{running.addresses['dataverse']}/_simulator/tables/contact", timeout=10).text.splitlines()
    kept = {row["contactid"]: row["lastname"] for row in map(json.loads, lines)}
    assert answered.items() <= kept.items()
    assert len(kept) - len(answered) <= 2 * 4  # at most what each writer had in flight
    assert len(kept) % 2 == 0  # a call's rows are all there, or none


def test_the_canonical_dumps_of_two_equal_loads_are_equal(tmp_path):
    dumps = []
    for run in ("one", "two"):
        with organisation(tmp_path) as org:
            publisher(org)
            org.column("contact", "String", "mwb_runid", MaxLength=50)
            row_id = "aaaaaaaa-0000-4000-8000-000000000001"
            ours = {"contactid": row_id, "mwb_runid": run, "overriddencreatedon": "2020-01-01T00:00:00Z", "importsequencenumber": len(run)}
            org.create("contacts", {**ours, "lastname": "Same"})
            org.create("accounts", {"accountid": row_id, "name": "A"})
            org.call("PATCH", f"contacts({row_id})", {"jobtitle": None if run == "one" else ""})
            dumps.append((org.dump("contact", canonical=True), org.dump("account", canonical=True)))
    assert dumps[0] == dumps[1]
    contact, account = dumps[0][0][0], dumps[0][1][0]
    assert contact["createdon"] == "2020-01-01T00:00:00Z"
    assert "createdon" not in account
    assert contact["_ownerid_value"] == "systemuser:application"
    assert not {"mwb_runid", "modifiedon", "_modifiedby_value", "versionnumber", "jobtitle", "overriddencreatedon"} & set(contact)
    assert list(contact) == sorted(contact)
