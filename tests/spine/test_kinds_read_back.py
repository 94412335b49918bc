"""Reading back, kind by kind at a simulated organisation: what was sent is found equal, and any other value is found."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.dataverse import metadata
from connectors.dataverse.client import Client
from loads.staged import StagedRow
from loads.verification import ReadBack, column_name
from loads.writer import Writer
from tests import simulated
from tests.connectors.test_dataverse_simulated import CHOICES, KINDS, connection_to

LOOKUP, SELF = str(uuid.uuid4()), str(uuid.uuid4())
A, B = (value for value, _ in CHOICES)
# Column -> what is sent, and what a person puts in its place.
VALUES: dict[str, tuple[Any, Any]] = {
    "mwb_text": ("Größe \N{GRINNING FACE}", "größe \N{GRINNING FACE}"),
    "mwb_long": ("line\r\n" * 9_000, "line\r\n" * 8_999),
    "mwb_whole": (5, 4),
    "mwb_decimal": (-1.2345, -1.2344),
    "mwb_float": (0.00001, 0.00002),
    "mwb_amount": (1234.567, 1234.568),
    "mwb_moment": ("2024-03-31T00:59:59Z", "2024-03-31T01:59:59Z"),  # around the hour that Europe leaves out
    "mwb_day": ("2024-10-27", "2024-10-26"),
    "mwb_flag": (False, True),
    "mwb_choice": (A, B),
    "mwb_choices": (f"{A},{B}", f"{B}"),
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[simulated.Simulated]:
    with simulated.start(tmp_path_factory.mktemp("world"), only=["dataverse"]) as running:
        yield running


@pytest.fixture(scope="module")
def client(servers: simulated.Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Of an organisation whose accounts have a column of each kind."""
    opened = Client.from_connection(connection_to(servers))
    metadata.ensure_solution(opened, "migration", "Migration", "mwb")
    for spec, _ in KINDS:
        metadata.create_column(opened, "account", spec, "migration")
    yield opened
    opened.close()


def row(table: str, values: dict[str, Any], row_id: str = "") -> StagedRow:
    row_id = row_id or str(uuid.uuid4())
    return StagedRow(row_id, "s", 0, "", table, "create", "created", values, (), None, "", (), (), None, None)


@pytest.fixture(scope="module")
def account(client: Client) -> tuple[ReadBack, StagedRow]:
    """An account with a value of each kind, as it was sent, and what reads it back."""
    table = metadata.read_table(client, "account")
    parents = [row("account", {"name": "Parent"}, LOOKUP), row("account", {"name": "Grandparent"}, SELF)]
    own = {"name": "Child", "parentaccountid@odata.bind": f"/accounts({SELF})", "mwb_Parent@odata.bind": f"/accounts({LOOKUP})"}
    child = row("account", own | {name: sent for name, (sent, _) in VALUES.items()})
    written = Writer(client, table, {}).create([*parents, child])
    assert {one.outcome for one in written} == {"created"}
    return ReadBack(client, table, {}), child


def differing(back: ReadBack, sent: StagedRow) -> set[str]:
    [(_, columns)] = back.differing([sent])
    return {column_name(column) for column in columns}


def test_a_value_of_each_kind_is_found_as_it_was_sent(account: tuple[ReadBack, StagedRow]):
    assert differing(*account) == set()


@pytest.mark.parametrize("column", VALUES)
def test_another_value_is_found(client: Client, account: tuple[ReadBack, StagedRow], column: str):
    back, child = account
    sent, other = VALUES[column]
    for value, expected in ((other, {column}), (sent, set())):
        client.send("PATCH", f"accounts({child.row_id})", json={column: value})
        assert differing(back, child) == expected


def test_choices_count_in_whatever_order_the_service_has_them(account: tuple[ReadBack, StagedRow]):
    back, child = account
    meant = back.meant(child)
    assert back.wrong(meant, meant | {"mwb_choices": f"{B},{A}"}) == []
    assert back.wrong(meant, meant | {"mwb_choices": f"{B}"}) == ["mwb_choices"]


@pytest.mark.parametrize("name", ["parentaccountid", "mwb_Parent"])
def test_a_lookup_that_points_to_another_row_or_to_none_is_found(client: Client, account: tuple[ReadBack, StagedRow], name: str):
    back, child = account
    right = SELF if name == "parentaccountid" else LOOKUP
    address = f"accounts({child.row_id})"
    for target in (child.row_id, None, right):
        body = {f"{name}@odata.bind": f"/accounts({target})"} if target else {name: None}
        client.send("PATCH", address, json=body)
        assert differing(back, child) == (set() if target == right else {name.lower()})


def test_a_lookup_with_several_targets_is_read_back_whichever_it_points_to(client: Client, account: tuple[ReadBack, StagedRow]):
    table = metadata.read_table(client, "contact")
    superior = row("contact", {"lastname": "Superior", "parentcustomerid_account@odata.bind": f"/accounts({LOOKUP})"})
    assistant = row("contact", {"lastname": "Assistant", "parentcustomerid_contact@odata.bind": f"/contacts({superior.row_id})"})
    write, back = Writer(client, table, {}), ReadBack(client, table, {})
    assert [one.outcome for part in ([superior], [assistant]) for one in write.create(part)] == ["created"] * 2
    assert (differing(back, superior), differing(back, assistant)) == (set(), set())
    client.send("PATCH", f"contacts({assistant.row_id})", json={"parentcustomerid_account@odata.bind": f"/accounts({LOOKUP})"})
    assert differing(back, assistant) == {"parentcustomerid"}


def test_rows_of_a_table_without_bulk_messages_go_by_a_batch_at_once(servers: simulated.Simulated, client: Client):
    assert metadata.read_table(client, "contact").bulk == {"Create", "Update"}
    table = metadata.read_table(client, "mailbox")
    assert table.bulk == frozenset()
    rows = [row("mailbox", {"name": f"Box {number}"}) for number in range(3)]
    for write in (Writer.create, Writer.upsert):
        assert [one.outcome for one in write(Writer(client, table, {}), rows)] == ["created"] * 3
    assert not [path for path in servers.stats("dataverse")["requests"] if "mailboxes" in path and "Multiple" in path]
    assert client.count("mailboxes", "startswith(name,'Box ')", "mailboxid") == 3
