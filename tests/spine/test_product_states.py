"""A product is changed in one change set: refused, lost or killed at any instant, it is on sale or retired as it was, never in between."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.db import connection

from connectors.dataverse.client import Client
from connectors.dataverse.metadata import read_table
from loads.messages import Publish
from loads.staged import StagedRow
from loads.writer import Writer, Written
from tests import simulated
from tests.connectors.connections import FakeConnection

ACTIVE, RETIRED = {"statecode": 0, "statuscode": 1}, {"statecode": 1, "statuscode": 2}


class Catalogue:
    """An organisation with a unit group, and the writer of its products."""

    def __init__(self, servers: simulated.Simulated) -> None:
        self.servers = servers
        settings = {"authority": servers.entra, "client_id": servers.credentials["client_id"]}
        secret = servers.credentials["client_secret"]
        connection = FakeConnection(base_url=servers.dataverse, secret=secret, ca=servers.ca, settings=settings)
        self.client = Client.from_connection(connection, attempts=3, patience_s=5, backoff_s=0.02)
        self.table = read_table(self.client, "product")
        self.units = str(uuid.uuid4())
        self.client.post("uomschedules", {"uomscheduleid": self.units, "name": "Units", "baseuomname": "Piece"})
        [self.unit] = self.client.rows("uoms", select=["uomid"], filter=f"_uomscheduleid_value eq {self.units}")

    def values(self, **values: object) -> dict[str, object]:
        found = {"name": "Sensor", "productnumber": str(uuid.uuid4()), "quantitydecimal": 2, **values}
        found["defaultuomscheduleid@odata.bind"] = f"/uomschedules({self.units})"
        found["defaultuomid@odata.bind"] = f"/uoms({self.unit['uomid']})"
        return found

    def product(self, *states: dict[str, int], **values: object) -> str:
        row_id = str(uuid.uuid4())
        self.client.post("products", {"productid": row_id, **self.values(**values)})
        for state in states:
            self.client.send("PATCH", f"products({row_id})", json=state, headers={"If-Match": "*"})
        return row_id

    def read(self, row_id: str) -> dict[str, object]:
        return self.client.get(f"products({row_id})?$select=name,statecode,statuscode")

    def staged(self, row_id: str, values: dict[str, object], action: str = "update") -> StagedRow:
        etag = str(self.read(row_id)["@odata.etag"]) if action == "update" else None
        return StagedRow(row_id, "i", 0, "", "product", action, "created", values, (), etag, "", (), (), None, None)

    def write(self, row: StagedRow) -> Written:
        """As a worker does that takes over from one that was killed: a row to be made may be there already."""
        writer = Writer(self.client, self.table, {})
        [written] = writer.update([row]) if row.action == "update" else writer.upsert([row])
        return written


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    with simulated.start(tmp_path_factory.mktemp("world"), only=["dataverse"]) as servers:
        yield Catalogue(servers)


STATES = {"on sale": (ACTIVE,), "retired": (ACTIVE, RETIRED)}


@pytest.mark.parametrize("name", STATES)
def test_a_change_leaves_the_state_as_it_was(catalogue, name):
    product = catalogue.product(*STATES[name])
    assert catalogue.write(catalogue.staged(product, {"name": "Another"})).outcome == "updated"
    found = catalogue.read(product)
    assert (found["name"], found["statecode"], found["statuscode"]) == ("Another", *STATES[name][-1].values())


@pytest.mark.parametrize("name", STATES)
def test_a_refused_change_leaves_everything_as_it_was(catalogue, name):
    taken = catalogue.values()
    catalogue.client.post("products", taken)
    product = catalogue.product(*STATES[name])
    written = catalogue.write(catalogue.staged(product, {"name": "Another", "productnumber": taken["productnumber"]}))
    assert (written.outcome, written.reason["code"]) == ("refused", "0x80043b06")
    found = catalogue.read(product)
    assert (found["name"], found["statecode"], found["statuscode"]) == ("Sensor", *STATES[name][-1].values())


@pytest.mark.parametrize("name", STATES)
def test_a_change_whose_worker_is_killed_before_it_is_settled_is_found_made(catalogue, name):
    row = catalogue.staged(catalogue.product(*STATES[name]), {"name": "Another"})
    catalogue.write(row)
    before = catalogue.read(row.row_id)
    assert catalogue.write(row).outcome == "updated"
    assert catalogue.read(row.row_id) == before
    assert (before["name"], before["statecode"]) == ("Another", STATES[name][-1]["statecode"])


def test_a_product_that_was_active_as_soon_as_it_was_made_is_written_again_after_a_kill(catalogue):
    """As organisations have it that make products active at once."""
    values = catalogue.values()
    product = catalogue.product(ACTIVE, **values)
    assert catalogue.write(catalogue.staged(product, values, "create")).outcome == "created"
    assert catalogue.read(product)["statecode"] == 0


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_who_asks_whether_lines_name_a_retired_product_holds_no_connection_to_the_database_after(catalogue):
    row = catalogue.staged(catalogue.product(*STATES["retired"]), {"for_sale": False, "ours": True, "again": False})
    message = Publish(SimpleNamespace(table=lambda name: catalogue.table), "product", catalogue.client, "no run")

    def read() -> tuple[int, object]:
        return message.read([row])[row.row_id]["statecode"], connection.connection

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(read).result() == (RETIRED["statecode"], None)
