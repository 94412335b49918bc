from urllib.parse import unquote

import pytest

from connectors.dataverse import errors
from connectors.dataverse.batch import Operation
from connectors.dataverse.client import Client, literal
from connectors.http import HttpSession, OutcomeUnknown
from tests.connectors.loopback import Received, Reply, Service
from workbench.engagements.errors import BadInput

IDS = [f"00000000-0000-8000-8000-{n:012}" for n in range(1500)]


@pytest.fixture
def client(service: Service) -> Client:
    return Client(HttpSession(service.url, name="test", attempts=3, patience_s=5, backoff_s=0.01))


def test_all_pages_are_read_with_the_same_preference_even_if_the_service_names_itself_otherwise(service: Service, client: Client):
    link = "https://org.api.crm4.dynamics.com/api/data/v9.2/contacts?$select=contactid&$skiptoken=%3Ccookie%20pagenumber=%222%22%3E"
    service.replies(Reply(json={"value": [{"contactid": "1"}], "@odata.nextLink": link}), Reply(json={"value": [{"contactid": "2"}]}))
    pages = list(client.pages("contacts", select=["contactid"], filter="statecode eq 0", page_size=1))
    assert pages == [[{"contactid": "1"}], [{"contactid": "2"}]]
    assert service.paths[1] == "/api/data/v9.2/contacts?$select=contactid&$skiptoken=%3Ccookie%20pagenumber=%222%22%3E"
    assert {request.headers["Prefer"] for request in service.received} == {"odata.maxpagesize=1"}


def test_pages_that_go_in_a_circle_end_in_an_error(service: Service, client: Client):
    service.script = lambda request: Reply(json={"value": [{}], "@odata.nextLink": f"{service.url}/api/data/v9.2/contacts?$skiptoken=2"})
    with pytest.raises(errors.ShortAnswer):
        list(client.pages("contacts", select=["contactid"]))


def test_a_count_is_the_sum_of_the_pages(service: Service, client: Client):
    link = f"{service.url}/api/data/v9.2/contacts?$skiptoken=2"
    service.replies(Reply(json={"value": [{}] * 5000, "@odata.nextLink": link}), Reply(json={"value": [{}] * 3}))
    assert client.count("contacts", "mwb_runid eq 'r1'", "contactid") == 5003


def test_rows_are_retrieved_by_id_in_addresses_that_the_service_accepts(service: Service, client: Client):
    service.script = lambda request: Reply(json={"value": [{"contactid": each} for each in IDS if each in request.path]})
    found = {row["contactid"] for row in client.retrieve("contacts", "contactid", [*IDS, IDS[0]], ["contactid", "fullname"])}
    assert found == set(IDS)
    assert 2 <= len(service.paths) <= 4
    assert max(map(len, service.paths)) < 32_768
    assert "$filter=Microsoft.Dynamics.CRM.In(PropertyName='contactid',PropertyValues=[\"0000" in unquote(service.paths[0])


def test_rows_are_created_with_their_type_and_one_id_each_is_demanded_back(service: Service, client: Client):
    rows = [{"contactid": IDS[0], "lastname": "A"}, {"contactid": IDS[1], "lastname": "B"}]
    service.replies(Reply(json={"Ids": IDS[:2]}), Reply(json={"Ids": IDS[:1]}))
    client.create_multiple("contact", "contacts", rows)
    assert service.paths == ["/api/data/v9.2/contacts/Microsoft.Dynamics.CRM.CreateMultiple"]
    assert service.received[0].json["Targets"][0] == {"@odata.type": "Microsoft.Dynamics.CRM.contact", **rows[0]}
    with pytest.raises(OutcomeUnknown):
        client.create_multiple("contact", "contacts", rows)


def test_a_batch_answer_with_fewer_outcomes_than_operations_is_refused(service: Service, client: Client):
    part = "--r\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n"
    service.replies(Reply(body=f"{part}--r--".encode(), headers={"Content-Type": "multipart/mixed; boundary=r"}))
    operation = Operation("DELETE", f"contacts({IDS[0]})")
    assert [outcome.status for outcome in client.batch([operation])] == [204]
    assert service.received[0].headers["Prefer"] == "odata.continue-on-error"
    with pytest.raises(errors.ShortAnswer):
        client.batch([operation, operation])
    assert client.batch([]) == []


def test_each_write_counts_as_often_as_it_goes_out_also_within_a_change_set(service: Service, client: Client):
    part = "--r\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n"
    done = Reply(body=f"{part * 3}--r--".encode(), headers={"Content-Type": "multipart/mixed; boundary=r"})
    service.replies(Reply(429, headers={"Retry-After": "0"}), Reply(503), done)
    write, read = Operation("PATCH", f"contacts({IDS[0]})", {}), Operation("GET", f"contacts({IDS[0]})")
    client.batch([write, (write, write), read], repeatable=True)
    assert client.stats["operations"] == 2 * 3  # what was put off was never done
    service.replies(Reply(json={"Ids": IDS[:2]}), Reply(json={"value": []}))
    client.create_multiple("contact", "contacts", [{"contactid": row_id} for row_id in IDS[:2]])
    client.get("contacts")
    assert client.stats["operations"] == 2 * 3 + 2


def test_a_batch_that_was_stopped_at_its_first_failure_is_refused_as_a_short_answer(service: Service, client: Client):
    refused = b"--r\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n{}\r\n--r--"
    service.replies(Reply(400, body=refused, headers={"Content-Type": "multipart/mixed; boundary=r"}))
    with pytest.raises(errors.ShortAnswer):
        client.batch([Operation("DELETE", f"contacts({IDS[0]})")] * 2)


def test_quotes_in_a_filter_are_doubled():
    assert literal("O'Hara") == "'O''Hara'"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (412, "0x80040237", errors.RowExists),
        (412, "0x80060892", errors.KeyTaken),
        (400, "0x8004431A", errors.ValueRefused),
        (403, "0x80040220", errors.PrivilegeMissing),
        (400, "0x8004022b", errors.OwnerUnusable),
        (500, "0x80044151", errors.TooMuchAtOnce),
        (404, "", errors.RowMissing),
        (400, "0x80099999", errors.DataverseRefused),
    ],
)
def test_a_refusal_has_the_type_its_code_asks_for_and_keeps_the_persons_data_out_of_its_text(service, client, status, code, kind):
    service.replies(Reply(status, json={"error": {"code": code, "message": "The value 'Mara Lind' is wrong."}}))
    with pytest.raises(errors.DataverseRefused) as caught:
        client.post("contacts", {"lastname": "Lind"})
    assert type(caught.value) is kind
    assert caught.value.code == code.lower()
    assert caught.value.status == status
    assert "Mara" not in str(caught.value)
    assert "Mara Lind" in caught.value.remedy


def test_a_server_failure_without_dataverses_words_leaves_a_write_in_doubt(service: Service, client: Client):
    service.replies(Reply(500, body=b"<html>proxy</html>"))
    with pytest.raises(OutcomeUnknown):
        client.post("contacts", {})


def test_the_hint_for_parallel_requests_is_kept_and_writes_can_be_quiet(service: Service):
    service.replies(Reply(json={}, headers={"x-ms-dop-hint": "17"}))
    client = Client(HttpSession(service.url, name="test"), quiet=True)
    assert client.governor.hint == 4
    client.who_am_i()
    assert client.governor.hint == 17
    client.send("PATCH", f"contacts({IDS[0]})", json={})
    read, written = service.received
    assert "MSCRM.BypassBusinessLogicExecution" not in read.headers
    assert written.headers["MSCRM.BypassBusinessLogicExecution"] == "CustomSync,CustomAsync"
    assert written.headers["MSCRM.SuppressCallbackRegistrationExpanderJob"] == "true"


def test_the_quiet_headers_stand_on_every_operation_of_a_batch(service: Service):
    def script(request: Received) -> Reply:
        part = b"--r\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n"
        return Reply(body=part * 2 + b"--r--", headers={"Content-Type": "multipart/mixed; boundary=r"})

    service.script = script
    Client(HttpSession(service.url, name="test"), quiet=True).batch([Operation("DELETE", f"contacts({IDS[0]})")] * 2)
    assert service.received[0].body.count(b"MSCRM.SuppressCallbackRegistrationExpanderJob: true") == 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>Sign in</html>"), Reply(), Reply(json=[1]), Reply(json={}), Reply(404, body=b"Not found"),
        Reply(302, headers={"Location": "https://login.example/"}),
    ],
)  # fmt: skip
def test_an_address_where_something_else_answers_is_said_on_the_first_call(service: Service, client: Client, reply: Reply):
    service.replies(reply)
    with pytest.raises(BadInput) as caught:
        client.first_call()
    assert "address" in caught.value.remedy
