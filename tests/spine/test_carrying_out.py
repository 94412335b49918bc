"""Messages that others got in before: a killed worker's may land while its successor does the same, and people go on working."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from loads.carrying_out import carry_out
from loads.closing import Close
from loads.destination import Destination
from loads.messages import Gone, Lookups, States
from loads.models import Phase, Run
from loads.rollback.late import back_of
from loads.staged import StagedRow
from tests import folders, simulated
from tests.pages import cast
from workbench.engagements.models import Environment

pytestmark = pytest.mark.django_db
SELLER = "00000000-0000-0000-0000-00000000005e"
DISQUALIFIED, LOST = {"statecode": 2, "statuscode": 4}, {"statecode": 2, "statuscode": 5}
OPEN = {"statecode": 0, "statuscode": 1}
PARENT, BINDING = "_parentcontactid_value", "parentcontactid@odata.bind"
CLOSED = {"subject": "Won", "actualrevenue": 80.5, "actualend": "2021-05-06T23:30:00Z", "day": "2021-05-07"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[simulated.Simulated]:
    seller = {"systemuserid": SELLER, "fullname": "Sam Seller", "isdisabled": False, "accessmode": 0}
    world = folders.write(tmp_path_factory.mktemp("world"), [], rows={"dataverse/systemuser": [seller]})
    with simulated.start(world, only=["dataverse"]) as running:
        yield running


def connected(servers: simulated.Simulated) -> Environment:
    environment = cast.make_engagement().environments.get(kind="sandbox")
    connection, known = environment.connection, servers.credentials
    connection.base_url, connection.ca_pem = servers.dataverse, Path(servers.ca).read_text()
    connection.settings, connection.secret = {"authority": servers.entra, "client_id": known["client_id"]}, known["client_secret"]
    connection.save()
    return environment


@pytest.fixture
def destination(servers: simulated.Simulated) -> Destination:
    return Destination(connected(servers), quiet=False)


def staged(row_id: str, values: dict[str, object], origin: str = "created", before: dict[str, object] | None = None) -> StagedRow:
    return StagedRow(row_id, "pu-1", 0, "", "", "update", origin, values, (), None, "", (), (), None, before)


def lead(destination: Destination, **values: object) -> str:
    row_id = str(uuid.uuid4())
    destination.client.post("leads", {"leadid": row_id, "subject": "Lead", "lastname": "Lovelace"})
    if values:
        destination.client.send("PATCH", f"leads({row_id})", json=values)
    return row_id


def edit(servers: simulated.Simulated, row_id: str, **values: object) -> None:
    """A person changes a lead."""
    body = {"table": "lead", "id": row_id, "values": values, "user": SELLER}
    with requests.Session() as session:
        session.trust_env = False
        assert session.post(f"{servers.dataverse}/_simulator/edit", json=body, timeout=10).ok


def held(destination: Destination, row_id: str, *columns: str) -> dict[str, object]:
    [found] = destination.client.rows("leads", select=columns, filter=f"leadid eq {row_id}")
    return {name: found[name] for name in columns}


def contact(destination: Destination) -> str:
    row_id = str(uuid.uuid4())
    destination.client.post("contacts", {"contactid": row_id, "lastname": "Byron"})
    return row_id


def parent(contact_id: str) -> dict[str, str]:
    return {BINDING: f"/contacts({contact_id})"}


def looking_up(row_id: str, contact_id: str, before: dict[str, object] | None = None) -> StagedRow:
    """A lead whose lookup leads to this contact; before: what it led to in one that was found there."""
    values = {"ids": {PARENT: contact_id}, "binds": {PARENT: [*parent(contact_id).items()][0]}, "last": {}, "ours": before is None}
    return staged(row_id, values, "matched", before)


def deal(destination: Destination) -> StagedRow:
    row_id = str(uuid.uuid4())
    destination.client.post("opportunities", {"opportunityid": row_id, "name": "Deal"})
    return staged(row_id, CLOSED)


def order(destination: Destination) -> StagedRow:
    row_id = str(uuid.uuid4())
    destination.client.post("salesorders", {"salesorderid": row_id, "name": "Order"})
    return staged(row_id, {"subject": "Fulfilled", "actualend": CLOSED["actualend"], "day": "2021-05-06"})


def lost_by_somebody(destination: Destination, row: StagedRow) -> None:
    """Lost by a seller, at just that moment."""
    close = {"@odata.type": "Microsoft.Dynamics.CRM.opportunityclose", "opportunityid@odata.bind": f"/opportunities({row.row_id})"}
    destination.client.post("LoseOpportunity", {"Status": 4, "OpportunityClose": {"subject": "Lost", **close}}, {"MSCRMCallerID": SELLER})


@pytest.mark.parametrize(("table", "make"), [("opportunity", deal), ("salesorder", order)])
def test_what_lands_between_looking_and_sending_is_no_refusal(
    destination: Destination, table: str, make: Callable[[Destination], StagedRow]
):
    row, message = make(destination), Close(destination, table, destination.client, "r1")

    def land(found: object) -> None:
        [(_, outcome)] = message.send([row])
        assert outcome.ok

    [written] = carry_out(message, [row], keep=land)
    assert (written.outcome, written.reason) == ("updated", None)
    assert message.present([row]) == {row.row_id}


def test_what_somebody_else_did_in_between_is_a_refusal(destination: Destination):
    row, message = deal(destination), Close(destination, "opportunity", destination.client, "r1")
    [written] = carry_out(message, [row], keep=lambda found: lost_by_somebody(destination, row))
    assert written.outcome == "refused"
    [found] = destination.client.rows("opportunities", select=["statecode"], filter=f"opportunityid eq {row.row_id}")
    assert found["statecode"] == 2


@pytest.mark.parametrize("origin", ["created", "matched"])
def test_a_state_that_somebody_gave_a_row_since_stays(servers: simulated.Simulated, destination: Destination, origin: str):
    given, ours = lead(destination), lead(destination)
    edit(servers, given, **LOST)
    rows = [staged(row_id, DISQUALIFIED, origin) for row_id in (given, ours)]
    by_id = {one.row.row_id: one for one in carry_out(States(destination, "lead", destination.client, "r1"), rows)}
    assert (by_id[given].outcome, by_id[given].reason["code"]) == ("refused", "conflict.edited")
    assert (by_id[ours].outcome, by_id[ours].reason) == ("updated", None)
    assert (held(destination, given, *LOST), held(destination, ours, *LOST)) == (LOST, DISQUALIFIED)


def test_what_somebody_does_between_looking_and_sending_is_not_written_over(servers: simulated.Simulated, destination: Destination):
    row_id = lead(destination)
    message, row = States(destination, "lead", destination.client, "r1"), staged(row_id, DISQUALIFIED, "matched")
    [written] = carry_out(message, [row], keep=lambda found: edit(servers, row_id, **LOST))
    assert (written.outcome, written.reason["code"]) == ("refused", "conflict.edited")
    assert held(destination, row_id, *LOST) == LOST


def test_a_lookup_that_somebody_sets_between_looking_and_sending_stays(servers: simulated.Simulated, destination: Destination):
    row_id, ours, theirs = lead(destination), contact(destination), contact(destination)
    message = Lookups(destination, "lead", destination.client, "r1")
    [written] = carry_out(message, [looking_up(row_id, ours)], keep=lambda found: edit(servers, row_id, **parent(theirs)))
    assert (written.outcome, written.reason["code"]) == ("refused", "conflict.edited")
    assert held(destination, row_id, PARENT) == {PARENT: theirs}


def test_a_row_that_we_changed_ourselves_since_it_was_looked_at_is_looked_at_again(destination: Destination):
    row_id = lead(destination)
    message, row = States(destination, "lead", destination.client, "r1"), staged(row_id, DISQUALIFIED, "matched")
    ours = {"json": {"subject": "Ours"}}
    [written] = carry_out(message, [row], keep=lambda found: destination.client.send("PATCH", f"leads({row_id})", **ours))
    assert (written.outcome, held(destination, row_id, *LOST)) == ("updated", DISQUALIFIED)


def test_who_is_to_be_forgotten_is_opted_out_of_a_row_that_somebody_edited_since_which_stays_active(
    servers: simulated.Simulated, destination: Destination
):
    forgotten, idle = lead(destination), lead(destination)
    edit(servers, forgotten, jobtitle="Director")
    rows = [staged(forgotten, {**DISQUALIFIED, "donotbulkemail": True}, "matched"), staged(idle, DISQUALIFIED, "matched")]
    by_id = {one.row.row_id: one for one in carry_out(Gone(destination, "lead", destination.client, "r1"), rows)}
    assert (by_id[forgotten].outcome, by_id[forgotten].reason["code"]) == ("refused", "conflict.edited")
    assert held(destination, forgotten, *OPEN, "donotbulkemail") == {**OPEN, "donotbulkemail": True}
    assert (by_id[idle].outcome, held(destination, idle, *LOST)) == ("updated", DISQUALIFIED)


@pytest.mark.parametrize("kind", [Phase.Kind.STATES, Phase.Kind.GONE])
def test_a_rollback_keeps_a_state_that_somebody_gave_a_row_after_it_was_planned(
    servers: simulated.Simulated, destination: Destination, kind: str
):
    phase = Phase(run=Run(undoes=Run(key="r1")), table="lead", kind=kind)
    given, ours, back = lead(destination, **DISQUALIFIED), lead(destination, **DISQUALIFIED), lead(destination)
    edit(servers, given, **LOST)
    rows = [staged(row_id, DISQUALIFIED, before=OPEN) for row_id in (given, ours, back)]
    by_id = {one.row.row_id: one for one in carry_out(back_of(phase, destination), rows)}
    assert {row_id: one.outcome for row_id, one in by_id.items()} == {given: "kept", ours: "restored", back: "equal"}
    assert by_id[given].reason["code"] == "rollback.edited"
    assert (held(destination, given, *LOST), held(destination, ours, *LOST)) == (LOST, OPEN)


def test_a_rollback_keeps_a_lookup_that_somebody_set_after_it_was_planned(servers: simulated.Simulated, destination: Destination):
    phase = Phase(run=Run(undoes=Run(key="r1")), table="lead", kind=Phase.Kind.LOOKUPS)
    ours, theirs = contact(destination), contact(destination)
    given, left = lead(destination, **parent(ours)), lead(destination, **parent(ours))
    edit(servers, given, **parent(theirs))
    rows = [looking_up(row_id, ours, before={PARENT: None}) for row_id in (given, left)]
    by_id = {one.row.row_id: one for one in carry_out(back_of(phase, destination), rows)}
    assert {row_id: one.outcome for row_id, one in by_id.items()} == {given: "kept", left: "restored"}
    assert (held(destination, given, PARENT), held(destination, left, PARENT)) == ({PARENT: theirs}, {PARENT: None})


def test_a_rollback_keeps_a_deal_that_somebody_closed_otherwise_after_it_was_planned(destination: Destination):
    phase = Phase(run=Run(undoes=Run(key="r1")), table="opportunity", kind=Phase.Kind.CLOSE)
    row, forth = deal(destination), Close(destination, "opportunity", destination.client, "r1")
    before = forth.read([row])[row.row_id]
    [written] = carry_out(forth, [row])
    assert written.outcome == "updated"
    destination.client.send("PATCH", f"opportunities({row.row_id})", json=OPEN)
    lost_by_somebody(destination, row)
    [kept] = carry_out(back_of(phase, destination), [staged(row.row_id, CLOSED, before=before)])
    assert (kept.outcome, kept.reason["code"]) == ("kept", "rollback.edited")
    [found] = destination.client.rows("opportunities", select=["statecode"], filter=f"opportunityid eq {row.row_id}")
    assert found["statecode"] == 2
