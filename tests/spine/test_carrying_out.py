"""Messages that others got in before: what a killed worker sent may land while its successor does the same."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loads.carrying_out import carry_out
from loads.destination import Destination
from loads.messages import Close
from loads.staged import StagedRow
from tests import folders, simulated
from tests.pages import cast

pytestmark = pytest.mark.django_db
SELLER = "00000000-0000-0000-0000-00000000005e"
CLOSED = {"subject": "Won", "actualrevenue": 80.5, "actualend": "2021-05-06T23:30:00Z", "day": "2021-05-07"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[simulated.Simulated]:
    seller = {"systemuserid": SELLER, "fullname": "Sam Seller", "isdisabled": False, "accessmode": 0}
    world = folders.write(tmp_path_factory.mktemp("world"), [], rows={"dataverse/systemuser": [seller]})
    with simulated.start(world, only=["dataverse"]) as running:
        yield running


@pytest.fixture
def destination(servers: simulated.Simulated) -> Destination:
    environment = cast.make_engagement().environments.get(kind="sandbox")
    connection, known = environment.connection, servers.credentials
    connection.base_url, connection.ca_pem = servers.dataverse, Path(servers.ca).read_text()
    connection.settings, connection.secret = {"authority": servers.entra, "client_id": known["client_id"]}, known["client_secret"]
    connection.save()
    return Destination(environment, quiet=False)


def staged(row_id: str, values: dict[str, object]) -> StagedRow:
    return StagedRow(row_id, "pu-1", 0, "", "", "update", "created", values, (), None, "", (), (), None, None)


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
