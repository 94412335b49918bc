"""What the service put off, or gave up at, is sent again: as it may be, and never as a refusal."""

import re
import time
from collections.abc import Iterator

import pytest

from connectors.dataverse.batch import Operation
from connectors.dataverse.client import Client
from connectors.dataverse.columns import Table
from connectors.dataverse.governor import Governor
from connectors.http import HttpSession, OutcomeUnknown, Throttled
from loads import carrying_out, tuning, writer
from loads.messaging import OfTable
from loads.reasons import refusal
from loads.staged import StagedRow
from loads.writer import Writer, answered
from tests.connectors.loopback import Received, Reply, Service, serving
from workbench.engagements.errors import Retryable

IDS = [f"00000000-0000-8000-8000-{n:012}" for n in range(8)]


def row(row_id: str) -> StagedRow:
    return StagedRow(row_id, f"u-{row_id[-1]}", 0, "", "contact", "create", "created", {"lastname": "A"}, (), None, "", (), (), None, None)


def parts(*answers: str) -> Reply:
    """The answer to a batch; each one as "429 Too Many Requests" with its headers, an empty line and its body."""
    whole = (answer if "\r\n\r\n" in answer else f"{answer}\r\n\r\n" for answer in answers)
    body = "".join(f"--r\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {answer}\r\n" for answer in whole)
    return Reply(body=f"{body}--r--".encode(), headers={"Content-Type": "multipart/mixed; boundary=r"})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FIRST_WAIT_S", 0.001)


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as running:
        yield running


@pytest.fixture
def client(service: Service) -> Client:
    return Client(HttpSession(service.url, name="test", attempts=1, patience_s=2, backoff_s=0.01, pace=Governor()))


def failing(status: str, code: str) -> str:
    return f'{status}\r\nContent-Type: application/json\r\n\r\n{{"error": {{"code": "{code}", "message": "What it says."}}}}'


ODD = failing("400 Bad Request", "0x80040216")
DEADLOCK = failing("500 Internal Server Error", "0x80044150")


def writing(one: StagedRow) -> Operation:
    return Operation("PATCH", f"contacts({one.row_id})", {"lastname": "A"})


def closing(one: StagedRow) -> Operation:
    return Operation("POST", f"WinOpportunity?id={one.row_id}")


def test_operations_that_a_batch_only_put_off_are_sent_again_alone_and_are_never_refusals(service: Service, client: Client):
    rows = [row(row_id) for row_id in IDS[:2]]
    service.replies(parts("204 No Content", "429 Too Many Requests\r\nRetry-After: 0"), parts("204 No Content"))
    assert [outcome.status for _, outcome in answered(client, rows, closing, repeatable=False)] == [204, 204]
    assert [IDS[0].encode() in request.body for request in service.received] == [True, False]
    service.replies(parts("429 Too Many Requests\r\nRetry-After: 30"))
    with pytest.raises(Throttled) as asked:
        answered(client, rows[:1], closing, repeatable=False)
    assert 20 < (asked.value.retry_after_s or 0) < 31  # the pause with its jitter


def test_what_may_have_been_done_is_not_sent_again_where_twice_would_do_harm(service: Service, client: Client):
    service.replies(parts("503 Service Unavailable"))
    with pytest.raises(OutcomeUnknown):
        answered(client, [row(IDS[0])], closing, repeatable=False)
    assert len(service.received) == 1
    asked = len(service.received)
    service.replies(parts("502 Bad Gateway", "502 Bad Gateway"))
    with pytest.raises(OutcomeUnknown):
        answered(client, [row(row_id) for row_id in IDS[:2]], closing, repeatable=False)
    assert len(service.received) == asked + 1


def test_a_row_at_which_the_service_fails_without_a_reason_is_refused_the_second_time_and_waits_for_another_run(service, client):
    service.replies(parts("204 No Content", ODD), parts(ODD))
    [(_, done), (_, odd)] = answered(client, [row(row_id) for row_id in IDS[:2]], writing)
    assert (done.ok, odd.code, len(service.received)) == (True, "0x80040216", 2)
    assert refusal(odd)["severity"] == "hold"
    service.replies(parts(ODD), parts("204 No Content"))
    [(_, outcome)] = answered(client, [row(IDS[0])], writing)
    assert outcome.ok


@pytest.mark.parametrize("failure", [DEADLOCK, "503 Service Unavailable", "500 Internal Server Error"])
def test_what_may_pass_is_never_a_refusal(service: Service, client: Client, failure: str):
    rows = [row(row_id) for row_id in IDS[:2]]
    service.replies(parts("204 No Content", failure), parts(failure), parts("204 No Content"))
    assert [outcome.ok for _, outcome in answered(client, rows, writing)] == [True, True]
    assert len(service.received) == 3
    service.replies(parts(failure))
    with pytest.raises(Retryable):
        answered(client, rows[:1], writing)


def test_a_deadlock_kept_nothing_so_that_also_a_message_is_sent_again(service: Service, client: Client):
    service.replies(parts(DEADLOCK), parts("204 No Content"))
    [(_, outcome)] = answered(client, [row(IDS[0])], closing, repeatable=False)
    assert outcome.ok


def test_a_batch_at_which_the_service_fails_as_a_whole_goes_in_parts_until_the_row_is_found(service: Service, client: Client):
    """The service fails at whatever batch has the third row in it."""

    def script(request: Received) -> Reply:
        if IDS[2].encode() in request.body:
            return Reply(500, json={"error": {"code": "0x80040224", "message": "An unexpected error occurred."}})
        return parts(*["204 No Content"] * request.body.count(b"PATCH"))

    service.script = script
    outcomes = answered(client, [row(row_id) for row_id in IDS], writing)
    assert [outcome.ok for _, outcome in outcomes] == [True, True, False, *[True] * 5]
    assert len(service.received) == 1 + 4 + 2


def test_a_call_at_which_the_service_fails_is_taken_apart_at_once(service: Service, client: Client):
    service.script = lambda request: Reply(500) if "Multiple" in request.path else parts(*["204 No Content"] * 8)
    written = Writer(client, Table("contact", "contacts", "contactid", {}), {}).upsert([row(row_id) for row_id in IDS])
    assert [one.outcome for one in written] == ["created"] * 8
    assert len(service.received) == 2


def test_a_call_in_which_the_services_database_timed_out_makes_the_next_ones_smaller(service: Service, client: Client, monkeypatch):
    monkeypatch.setattr(tuning, "LONGEST_S", 0.1)

    def script(request: Received) -> Reply:
        if "CreateMultiple" in request.path:
            time.sleep(0.2)
            return Reply(500, json={"error": {"code": "0x80044151", "message": "SQL timeout expired."}})
        return parts(*["204 No Content"] * 8)

    service.script = script
    writer = Writer(client, Table("contact", "contacts", "contactid", {}), {})
    assert writer.creating.size == 200
    written = writer.create([row(row_id) for row_id in IDS])
    assert [one.outcome for one in written] == ["created"] * 8
    assert writer.creating.size == 10


class Closing(OfTable):
    """Rows closed by a message that may be sent once only, on the loopback service."""

    kind, table = "close", Table("opportunity", "opportunities", "opportunityid", {})

    def wanted(self, row, found):
        return {"statecode": 1}

    def operation(self, row):
        return closing(row)


def test_a_batch_of_messages_that_took_too_long_is_sent_again_in_smaller_ones_of_what_is_missing(service, client, monkeypatch):
    monkeypatch.setattr(tuning, "LONGEST_S", 0.1)
    rows, closed, batches = [row(f"00000000-0000-8000-8000-{n:012}") for n in range(50)], [], []

    def script(request: Received) -> Reply:
        if request.method == "GET":
            return Reply(json={"value": [{"opportunityid": row_id, "statecode": 1} for row_id in closed]})
        ids = re.findall(r"WinOpportunity.id=(\S+)", request.body.decode())
        batches.append(len(ids))
        if len(batches) == 1:
            closed.extend(ids[:5])
            time.sleep(0.2)
            return Reply(drop=True)
        closed.extend(ids)
        return parts(*["204 No Content"] * len(ids))

    service.script = script
    written = carrying_out.carry_out(Closing(None, "opportunity", client), rows)
    assert sorted(one.row.row_id for one in written if one.outcome == "updated") == sorted(closed) == [one.row_id for one in rows]
    assert batches[0] == 50
    assert max(batches[1:]) <= 20
    assert tuning.rows_per_call(client.base_url, "opportunity", "close").content()["rows_per_call"] == 20
