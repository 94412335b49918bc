"""The client, the metadata and the directory against a simulated organisation: real servers, real tokens, real faults."""

import threading
import uuid
from collections.abc import Iterator

import pytest
import requests

from connectors.dataverse import directory, errors, metadata
from connectors.dataverse.auth import SignInRefused
from connectors.dataverse.batch import Operation
from connectors.dataverse.client import Client
from connectors.dataverse.columns import ColumnSpec
from connectors.http import OutcomeUnknown, Throttled
from tests import simulated
from tests.connectors.connections import FakeConnection
from workbench.engagements.errors import BadInput

CHOICES = ((727_000_000, "A"), (727_000_001, "B"))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[simulated.Simulated]:
    with simulated.start(tmp_path_factory.mktemp("world"), only=["dataverse"]) as running:
        yield running


def connection_to(servers: simulated.Simulated, **changes) -> FakeConnection:
    settings = {"authority": servers.entra, "client_id": servers.credentials["client_id"]}
    return FakeConnection(
        **{"base_url": servers.dataverse, "secret": servers.credentials["client_secret"], "ca": servers.ca, "settings": settings, **changes}
    )


@pytest.fixture
def client(servers: simulated.Simulated, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    servers.fault("dataverse")
    monkeypatch.setattr("connectors.dataverse.governor._kept", {})  # a pause that one test was asked for isn't the next one's
    opened = Client.from_connection(connection_to(servers), bypass=True, attempts=4, patience_s=5, backoff_s=0.02)
    yield opened
    servers.fault("dataverse")
    opened.close()


def rows_of(servers: simulated.Simulated, table: str) -> int:
    with requests.Session() as session:
        session.trust_env = False
        return len(session.get(f"{servers.dataverse.rstrip('/')}/_simulator/tables/{table}", timeout=10).content.splitlines())


def contacts(count: int) -> list[dict[str, str]]:
    return [{"contactid": str(uuid.uuid4()), "lastname": f"Lind {number}"} for number in range(count)]


def test_signing_in_says_who_we_are_and_how_many_requests_may_run_at_once(client: Client):
    assert uuid.UUID(client.who_am_i()["UserId"])
    assert client.governor.hint > 4


def test_a_wrong_secret_is_refused_with_a_remedy(servers: simulated.Simulated):
    with pytest.raises(SignInRefused) as caught:
        Client.from_connection(connection_to(servers, secret="not-the-client-secret")).who_am_i()
    assert "client secret is wrong" in caught.value.remedy


def test_a_token_that_ran_out_is_renewed_within_the_request(servers: simulated.Simulated, client: Client):
    control = servers.entra.rpartition("/")[0] + "/_simulator/tokens"
    with requests.Session() as session:
        session.trust_env = False
        session.post(control, json={"lifetime_s": 1}, verify=servers.ca, timeout=10).raise_for_status()
        try:
            short = Client.from_connection(connection_to(servers, base_url=servers.dataverse_sandbox))
            short.who_am_i()
            threading.Event().wait(1.2)
            short.who_am_i()
        finally:
            session.post(control, json={"lifetime_s": 3599}, verify=servers.ca, timeout=10).raise_for_status()


def test_a_table_is_read_with_its_kinds_limits_options_and_navigation_properties(client: Client):
    contact = metadata.read_table(client, "contact")
    assert (contact.entity_set, contact.primary_id) == ("contacts", "contactid")
    columns = contact.columns
    assert (columns["lastname"].kind, columns["lastname"].max_length, columns["lastname"].required) == ("String", 50, "ApplicationRequired")
    assert columns["parentcustomerid"].navigation == {"account": "parentcustomerid_account", "contact": "parentcustomerid_contact"}
    assert columns["ownerid"].navigation == {"systemuser": "ownerid", "team": "ownerid"}
    assert (columns["birthdate"].behavior, columns["birthdate"].format) == ("DateOnly", "DateOnly")
    assert (columns["statuscode"].options, columns["statuscode"].states) == ({1: "Active", 2: "Inactive"}, {1: 0, 2: 1})
    assert not columns["fullname"].valid_for_create
    regarding = metadata.read_table(client, "task").columns["regardingobjectid"]
    assert regarding.navigation["lead"] == "regardingobjectid_lead_task"


def test_an_unknown_table_is_said_as_such(client: Client):
    assert {"account", "contact", "lead"} <= set(metadata.read_tables(client))
    with pytest.raises(BadInput, match="unicorn"):
        metadata.read_table(client, "unicorn")


KINDS: list[tuple[ColumnSpec, dict]] = [
    (ColumnSpec("mwb_text", "String", "Text", max_length=200, format="Url"), {"max_length": 200, "format": "Url"}),
    (ColumnSpec("mwb_long", "Memo", "Long", max_length=100_000), {"max_length": 100_000}),
    (ColumnSpec("mwb_whole", "Integer", "Whole", min=0, max=5), {"min": 0, "max": 5}),
    (ColumnSpec("mwb_decimal", "Decimal", "Decimal", precision=4, min=-5.5), {"precision": 4, "min": -5.5}),
    (ColumnSpec("mwb_float", "Double", "Float"), {"precision": 5}),
    (ColumnSpec("mwb_amount", "Money", "Amount", precision=3), {"precision": 3}),
    (ColumnSpec("mwb_moment", "DateTime", "Moment"), {"behavior": "UserLocal", "format": "DateAndTime"}),
    (ColumnSpec("mwb_day", "DateTime", "Day", format="DateOnly"), {"behavior": "DateOnly", "format": "DateOnly"}),
    (ColumnSpec("mwb_flag", "Boolean", "Flag"), {"options": {0: "No", 1: "Yes"}}),
    (ColumnSpec("mwb_choice", "Choice", "Choice", options=CHOICES), {"options": dict(CHOICES)}),
    (ColumnSpec("mwb_choices", "MultiChoice", "Choices", options=CHOICES), {"options": dict(CHOICES)}),
    (ColumnSpec("mwb_Parent", "Lookup", "Parent", target="account"), {"navigation": {"account": "mwb_Parent"}, "targets": ("account",)}),
    (ColumnSpec("mwb_paper", "File", "Paper", max_length=1024), {}),
]


def test_a_column_of_each_kind_is_created_and_read_back_as_it_was_meant(client: Client, solution: str):
    for spec, _ in KINDS:
        metadata.create_column(client, "account", spec, solution)
    columns = metadata.read_table(client, "account").columns
    for spec, expected in KINDS:
        column = columns[spec.name.lower()]
        assert (column.kind, column.display_name) == (spec.kind, spec.display_name)
        assert {name: getattr(column, name) for name in expected} == expected, spec.name
    assert metadata.has_column(client, "account", "mwb_text")
    assert not metadata.has_column(client, "account", "mwb_nothing")


@pytest.fixture
def solution(client: Client) -> str:
    metadata.ensure_solution(client, "migration", "Migration", "mwb")
    return "migration"


def test_the_solution_is_made_once_and_its_prefix_stays(client: Client, servers: simulated.Simulated, solution: str):
    found = metadata.ensure_solution(client, solution, "Migration", "mwb")
    assert uuid.UUID(found)
    assert metadata.ensure_solution(client, "second", "Second", "mwb") != found  # under the same publisher
    with pytest.raises(BadInput, match="mwb"):
        metadata.ensure_solution(client, solution, "Migration", "other")
    with pytest.raises(BadInput):
        metadata.ensure_solution(client, "third", "Third", "mscrm1")


def test_a_column_whose_creation_got_no_answer_exists_once(client: Client, servers: simulated.Simulated, solution: str):
    servers.fault("dataverse", {"path": "Attributes$", "method": "POST", "do": "lose", "times": 1})
    metadata.create_column(client, "lead", ColumnSpec("mwb_lost", "String", "Lost"), solution)
    servers.fault("dataverse", {"path": "Attributes$", "method": "POST", "do": "drop", "times": 1})
    metadata.create_column(client, "lead", ColumnSpec("mwb_dropped", "String", "Dropped"), solution)
    assert {"mwb_lost", "mwb_dropped"} <= metadata.read_table(client, "lead").columns.keys()


def test_rows_are_created_counted_retrieved_and_paged(client: Client):
    rows = contacts(1200)
    before = client.count("contacts", "", "contactid")
    client.create_multiple("contact", "contacts", rows)
    client.upsert_multiple("contact", "contacts", [{"contactid": row["contactid"], "firstname": "Mara"} for row in rows[:600]])
    ids = [row["contactid"] for row in rows]
    found = list(client.retrieve("contacts", "contactid", ids, ["contactid", "firstname"]))
    assert {row["contactid"] for row in found} == set(ids)
    assert sum(row["firstname"] == "Mara" for row in found) == 600
    assert client.count("contacts", "", "contactid") == before + 1200
    assert [len(page) for page in client.pages("contacts", select=["contactid"], filter="firstname eq 'Mara'", page_size=250)] == [
        250,
        250,
        100,
    ]


def test_a_bulk_message_with_one_bad_row_creates_none_and_a_batch_creates_the_good_ones(client: Client, servers: simulated.Simulated):
    rows = contacts(5)
    rows[3]["lastname"] = "x" * 51
    before = rows_of(servers, "contact")
    with pytest.raises(errors.ValueRefused):
        client.create_multiple("contact", "contacts", rows)
    assert rows_of(servers, "contact") == before
    outcomes = client.batch([Operation("POST", "contacts", row) for row in rows])
    assert [outcome.ok for outcome in outcomes] == [True, True, True, False, True]
    assert outcomes[3].code == "0x80044331"
    assert outcomes[0].row_id == rows[0]["contactid"]
    assert rows_of(servers, "contact") == before + 4


def test_a_lost_answer_leaves_the_outcome_unknown_and_a_repeat_shows_that_the_row_is_there(client: Client, servers: simulated.Simulated):
    rows = contacts(2)
    servers.fault("dataverse", {"path": "CreateMultiple", "do": "lose", "times": 1})
    with pytest.raises(OutcomeUnknown):
        client.create_multiple("contact", "contacts", rows)
    with pytest.raises(errors.RowExists):
        client.create_multiple("contact", "contacts", rows)


def test_throttled_writes_wait_as_asked_and_are_done_once(client: Client, servers: simulated.Simulated):
    before = rows_of(servers, "contact")
    servers.fault("dataverse", {"method": "POST", "path": "contacts", "do": "status", "status": 429, "retry_after_s": 0.05, "times": 4})
    client.create_multiple("contact", "contacts", contacts(3))
    assert rows_of(servers, "contact") == before + 3
    assert client.stats["throttled"] == 4
    servers.fault("dataverse", {"method": "POST", "path": "contacts", "do": "status", "status": 429, "retry_after_s": 60})
    with pytest.raises(Throttled) as caught:
        client.create_multiple("contact", "contacts", contacts(1))
    assert caught.value.retry_after_s == 60


def test_reads_survive_dropped_connections_and_busy_servers(client: Client, servers: simulated.Simulated):
    expected = client.count("contacts", "", "contactid")
    for fault in ({"do": "drop", "times": 1}, {"do": "status", "status": 503, "times": 2}):
        servers.fault("dataverse", {"method": "GET", "path": "contacts", **fault})
        assert client.count("contacts", "", "contactid") == expected
    assert client.stats["retries"] == 3


def test_several_threads_share_one_client(client: Client):
    rows = [contacts(20) for _ in range(8)]
    threads = [threading.Thread(target=client.create_multiple, args=("contact", "contacts", part)) for part in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [row["contactid"] for part in rows for row in part]
    assert len(list(client.retrieve("contacts", "contactid", ids, ["contactid"]))) == 160


def test_the_directory_tells_people_from_applications_and_reads_the_base_currency(client: Client):
    me = client.who_am_i()["UserId"]
    (application,) = [user for user in directory.users(client) if user.id == me]
    assert application.application
    assert not application.can_own
    assert [team.kind for team in directory.teams(client)] == [0]
    assert directory.base_currency(client).code == "USD"
    assert "prvCreateContact" in directory.privileges(client, me)


def test_a_change_set_that_is_refused_leaves_everything_as_it_was(client: Client):
    units = str(uuid.uuid4())
    client.post("uomschedules", {"uomscheduleid": units, "name": "Units", "baseuomname": "Piece"})
    [unit] = client.rows("uoms", select=["uomid"], filter=f"_uomscheduleid_value eq {units}")
    ids = [str(uuid.uuid4()) for _ in range(2)]
    for number, product in enumerate(ids):
        bound = {"defaultuomscheduleid@odata.bind": f"/uomschedules({units})", "defaultuomid@odata.bind": f"/uoms({unit['uomid']})"}
        client.post("products", {"productid": product, "name": "Sensor", "productnumber": f"S-{number}", "quantitydecimal": 2, **bound})
        client.post(f"products({product})/Microsoft.Dynamics.CRM.PublishProductHierarchy", {})
    opening = Operation("PATCH", f"products({ids[0]})", {"statecode": 3, "statuscode": 3}, {"If-Match": "*"})

    def revised(values):
        [outcome] = client.batch([(opening, Operation("PATCH", f"products({ids[0]})", values, {"If-Match": "*"}))])
        return outcome.status, outcome.code, client.get(f"products({ids[0]})?$select=name,statecode")

    status, code, product = revised({"productnumber": "S-1", "name": "Another"})
    assert (status, code, product["name"], product["statecode"]) == (400, "0x80043b06", "Sensor", 0)
    status, code, product = revised({"name": "Another"})
    assert (status, code, product["name"], product["statecode"]) == (204, "", "Another", 3)
