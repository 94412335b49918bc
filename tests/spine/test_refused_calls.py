"""A call that the service refuses as a whole: the good rows land, and each bad one is named, in a handful of requests."""

import uuid
from collections.abc import Iterator

import pytest

from connectors.dataverse.client import Client
from connectors.dataverse.metadata import read_table
from loads.staged import StagedRow
from loads.writer import Writer
from tests import simulated
from tests.connectors.test_dataverse_simulated import connection_to

ROWS = 1000
TOO_LONG = "x" * 51


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[simulated.Simulated]:
    with simulated.start(tmp_path_factory.mktemp("world"), only=["dataverse"]) as running:
        yield running


@pytest.fixture(scope="module")
def client(servers: simulated.Simulated) -> Iterator[Client]:
    opened = Client.from_connection(connection_to(servers))
    yield opened
    opened.close()


def staged(number: int, bad: set[int]) -> StagedRow:
    values = {"lastname": TOO_LONG if number in bad else "Lind", "jobtitle": f"of {len(bad)}"}
    return StagedRow(str(uuid.uuid4()), f"u-{number}", number, "", "contact", "create", "created", values, (), None, "", (), (), None, None)


@pytest.mark.parametrize("bad", [{17}, {0, 500, 999}], ids=len)
def test_all_good_rows_of_a_refused_call_land_and_each_bad_one_is_named_in_two_requests(client: Client, bad: set[int]):
    table = read_table(client, "contact")
    before = client.stats["requests"]
    written = Writer(client, table, {}).create([staged(number, bad) for number in range(ROWS)])
    assert client.stats["requests"] - before == 2
    assert {one.row.position for one in written if one.outcome == "refused"} == bad
    assert {(one.reason["code"], one.reason["field"]) for one in written if one.reason} == {("0x80044331", "lastname")}
    assert sum(one.outcome == "created" for one in written) == ROWS - len(bad)
    assert client.count("contacts", f"jobtitle eq 'of {len(bad)}'", "contactid") == ROWS - len(bad)
