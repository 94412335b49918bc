import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest
import trustme

from connectors.http import HttpRefused, HttpSession, OutcomeUnknown, Pace, ServerFailed, Throttled, Unauthorized, Unreachable, Untrusted
from connectors.redaction import described, without_secrets
from tests.connectors.loopback import Reply, Service, serving
from workbench.engagements.errors import BadInput, Retryable

KEY = "s3cret-key-of-the-customer"


def session_to(address: str, **changes) -> HttpSession:
    given = {"name": "test", "headers": {"Api-Key": KEY}, "attempts": 3, "patience_s": 5.0, "backoff_s": 0.01}
    return HttpSession(address, **{**given, **changes})


def test_a_read_is_repeated_after_a_server_failure_a_lost_answer_and_a_cut_body(service: Service):
    fine = Reply(json={"id": 7})
    service.replies(Reply(503), Reply(drop=True), Reply(json={"id": 7}, cut=True), Reply(json={"id": 7}, cut=True, chunked=True), fine)
    session = session_to(service.url, attempts=5)
    assert session.request("GET", "things").json() == {"id": 7}
    assert session.stats.snapshot() == {"requests": 5, "retries": 4, "throttled": 0, "bytes": len(b'{"id": 7}')}


@pytest.mark.parametrize(("status", "error"), [(503, Unreachable), (500, ServerFailed)])
def test_a_read_ends_in_a_retryable_error_when_its_attempts_are_used_up(service: Service, status: int, error: type[Exception]):
    service.replies(Reply(status))
    with pytest.raises(error) as caught:
        session_to(service.url).request("GET", "things")
    assert isinstance(caught.value, Retryable)
    assert len(service.received) == 3


@pytest.mark.parametrize("reply", [Reply(drop=True), Reply(502), Reply(504), Reply(201, json={"id": 1}, cut=True)])
def test_a_write_whose_answer_is_lost_is_never_sent_twice(service: Service, reply: Reply):
    service.replies(reply)
    with pytest.raises(OutcomeUnknown):
        session_to(service.url).request("POST", "things", json={"a": 1})
    assert len(service.received) == 1


def test_a_write_that_may_be_repeated_is(service: Service):
    service.replies(Reply(drop=True), Reply(204))
    assert session_to(service.url).request("POST", "things", json={}, repeatable=True).status_code == 204


def test_a_write_is_repeated_after_429_since_nothing_was_done(service: Service):
    service.replies(Reply(429, headers={"Retry-After": "0.2"}), Reply(429), Reply(429), Reply(429), Reply(204))
    session, started = session_to(service.url), time.monotonic()
    session.request("POST", "things", json={})
    assert time.monotonic() - started >= 0.2
    assert session.stats["throttled"] == 4  # pauses that were asked for don't use up the attempts


def test_a_pause_longer_than_our_patience_is_reported_instead_of_slept(service: Service):
    service.replies(Reply(429, json={"error": {"code": "0x80072322", "message": "…"}}, headers={"Retry-After": "120"}))
    with pytest.raises(Throttled) as caught:
        session_to(service.url).request("POST", "things", json={})
    assert (caught.value.retry_after_s, caught.value.code) == (120, "0x80072322")


def test_a_retry_after_given_as_a_date_is_understood(service: Service):
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    service.replies(Reply(429, headers={"Retry-After": moment}))
    with pytest.raises(Throttled) as caught:
        session_to(service.url).request("GET", "things")
    assert 80 < caught.value.retry_after_s <= 90


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_asked_of_one_thread_holds_the_others_back(service: Service, status: int):
    service.replies(Reply(status, headers={"Retry-After": "0.4"}), Reply(204))
    session = session_to(service.url)
    other = threading.Thread(target=session.request, args=("GET", "first"))
    other.start()
    while not service.received:
        time.sleep(0.005)
    time.sleep(0.02)
    started = time.monotonic()
    session.request("GET", "second")
    assert time.monotonic() - started > 0.2
    other.join()


def test_a_refused_connection_is_tried_again_even_for_a_write():
    with serving() as service:
        gone = service.url
    session = session_to(gone)
    with pytest.raises(Unreachable):
        session.request("POST", "things", json={})
    assert session.stats["requests"] == 3


def test_a_401_asks_for_new_credentials_once(service: Service):
    service.script = lambda request: Reply(204 if request.headers["Authorization"] == "Bearer new-token" else 401)
    tokens, refused = ["old-token"], []

    def renew(sent):
        refused.append(sent["Authorization"])
        tokens[0] = "new-token"

    session = session_to(service.url, authorise=lambda: {"Authorization": f"Bearer {tokens[0]}"}, reauthorise=renew)
    assert session.request("POST", "things", json={}).status_code == 204
    assert refused == ["Bearer old-token"]
    service.replies(Reply(401))
    with pytest.raises(Unauthorized):
        session.request("GET", "things")
    assert len(service.received) == 4


def test_neither_errors_nor_log_lines_hold_secrets_or_people(service: Service, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    service.replies(Reply(503), Reply(400, json={"msg": f"bad key {KEY}", "client_secret": "other-secret-value"}))
    session = session_to(service.url)
    with pytest.raises(HttpRefused) as caught:
        session.request("GET", "api/users/mara@northpine.example", params={"email": "mara@northpine.example"})
    told = "\n".join([str(caught.value), repr(caught.value), caught.value.body, str(caught.value.payload), repr(session), caplog.text])
    assert KEY not in told
    assert "other-secret-value" not in told
    assert "mara" not in told
    assert "Again in" in caplog.text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_key_that_cannot_stand_in_a_header_is_not_shown(service: Service):
    with pytest.raises(BadInput) as caught:
        session_to(service.url, headers={"Api-Key": "s3cret\nkey"}).request("GET", "things")
    assert "s3cret" not in str(caught.value)
    assert not service.received


def test_presigned_links_and_bearer_tokens_are_hidden_in_any_text():
    text = without_secrets('GET /f?X-Amz-Signature=abcdef123&a=1 Authorization: Bearer eyJ0.x.y "access_token":"tok-123"', ["tok-9999"])
    assert "abcdef123" not in text
    assert "eyJ0" not in text
    assert "tok-123" not in text
    assert "a=1" in text


def test_a_request_is_described_by_its_table_but_not_by_keys_of_people():
    assert described("GET", "https://x.example/api/EntityDefinitions(LogicalName='contact')?$filter=a") == (
        "GET x.example/api/EntityDefinitions(LogicalName='contact')"
    )
    assert "anna" not in described("PATCH", "https://x.example/contacts(emailaddress1='anna%40b.example')")


def test_plain_http_is_for_this_machine_only():
    with pytest.raises(BadInput):
        session_to("http://api.iterable.com")
    with pytest.raises(BadInput):
        session_to("ftp://127.0.0.1")


def test_another_host_gets_neither_our_key_nor_our_token(service: Service):
    with serving() as elsewhere:
        session_to(service.url, authorise=lambda: {"Authorization": "Bearer t0ken-of-ours"}).request("GET", f"{elsewhere.url}/file.json")
        assert not {"Api-Key", "Authorization"} & elsewhere.received[0].headers.keys()


def test_a_redirect_is_not_followed_with_our_key(service: Service):
    with serving() as elsewhere:
        service.replies(Reply(302, headers={"Location": elsewhere.url}))
        with pytest.raises(HttpRefused):
            session_to(service.url).request("GET", "things")
        assert not elsewhere.received


def test_cookies_are_dropped_so_that_requests_spread_over_web_servers(service: Service):
    service.replies(Reply(204, headers={"Set-Cookie": "ARRAffinity=abc; Path=/"}))
    session = session_to(service.url)
    session.request("GET", "one")
    session.request("GET", "two")
    assert "Cookie" not in service.received[1].headers


def test_threads_that_come_and_go_leave_no_connections_behind(service: Service):
    session = session_to(service.url)
    for _ in range(10):
        threads = [threading.Thread(target=session.request, args=("GET", "things")) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(service.received) == 30
    assert len(service.connections) <= 3
    session.close()


def test_a_download_is_whole_even_if_the_first_goes_break_off(service: Service):
    body = b'{"n": 1}\n' * 100_000
    service.replies(Reply(body=body, cut=True), Reply(body=body, cut=True, chunked=True), Reply(body=body, chunked=True))
    session = session_to(service.url)
    with session.download("file.json") as file:
        assert file.read() == body
    service.replies(Reply(body=body, cut=True))
    with pytest.raises(Unreachable):
        session.download("file.json")


def test_parameters_are_encoded_with_percent_twenty_and_plus_escaped(service: Service):
    session_to(service.url).request("GET", "things", params={"$filter": "a eq 'b+c & ü'", "skip": None})
    assert service.paths == ["/things?$filter=a%20eq%20'b%2Bc%20%26%20%C3%BC'"]


def test_decimals_keep_their_digits_in_json(service: Service):
    session_to(service.url).request("POST", "things", json={"amount": Decimal("12345678901234567.89")})
    assert b"12345678901234567.89" in service.received[0].body


def test_the_pace_lets_no_more_calls_pass_than_the_window_has():
    pace, started = Pace({"export": (2, 0.2)}), time.monotonic()
    threads = [threading.Thread(target=pace.wait, args=("export",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.4 <= time.monotonic() - started < 0.8
    assert pace.wait("other") == 0


def test_an_unknown_certificate_authority_is_said_at_once(tmp_path):
    bundle = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    with serving(authority=trustme.CA()) as service:
        session = session_to(service.url, ca_file=str(bundle))
        with pytest.raises(Untrusted):
            session.request("GET", "things")
    assert session.stats["requests"] == 1
