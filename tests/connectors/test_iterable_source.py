import itertools
import json
import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.base import Reading, Slice, StillPreparing
from connectors.http import HttpRefused, Unauthorized, Unreachable
from connectors.iterable.answers import StrangeAnswer
from connectors.iterable.exports import ExportCancelled, ExportFailed
from connectors.iterable.source import LIMITS, IterableSource
from connectors.iterable.windows import Window
from tests.connectors.connections import FakeConnection
from tests.connectors.loopback import Received, Reply, Service, serving
from workbench.engagements.errors import BadInput, Retryable

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FREE = {bucket: [1000, 0.001] for bucket in LIMITS}
WHOLE = Slice("2025", Window(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)).as_params())


class Exporter:
    """Iterable's export jobs: `files` are what each job wrote; `states` what it goes through; knobs for what goes wrong."""

    def __init__(self, service: Service) -> None:
        self.service, self.jobs, self.numbers = service, {}, itertools.count(3001)
        self.files = {"1.json": b'{"email": "a@b.example"}\n'}
        self.states = ["enqueued", "running", "enqueued", "Completed"]
        self.truncated_over_days = self.fails_over_days = 10_000_000
        self.expired: set[str] = set()
        self.bodies: dict[str, list[Reply]] = {}
        service.script = self.answer

    def answer(self, request: Received) -> Reply:
        if request.path == "/api/export/start":
            job = next(self.numbers)
            self.jobs[job] = {"window": request.json, "states": list(self.states)}
            return Reply(json={"jobId": job})
        if found := re.match(r"/api/export/(\d+)/files", request.path):
            return self.listing(int(found[1]), request)
        name = urlsplit(request.path).path.rpartition("/")[2]
        if request.path in self.expired:
            return Reply(403)
        return self.bodies[name].pop(0) if self.bodies.get(name) else Reply(body=self.files[name], chunked=True)

    def listing(self, number: int, request: Received) -> Reply:
        job = self.jobs[number]
        state = job["states"].pop(0) if len(job["states"]) > 1 else job["states"][0]
        days = self.days(number)
        if days > self.fails_over_days:
            state = "failed"
        after = parse_qs(urlsplit(request.path).query).get("startAfter", [""])[0]
        names = [name for name in sorted(self.files) if name > after][:2] if state.lower() == "completed" else []
        links = [{"file": name, "url": f"{self.service.url}/files/{len(self.service.received)}/{name}"} for name in names]
        return Reply(json={"jobId": number, "jobState": state, "exportTruncated": days > self.truncated_over_days, "files": links})

    def days(self, number: int) -> float:
        window = self.jobs[number]["window"]
        return (datetime.fromisoformat(window["endDateTime"]) - datetime.fromisoformat(window["startDateTime"])).days


@pytest.fixture
def exporter(service: Service) -> Exporter:
    return Exporter(service)


def source_at(address: str, **settings) -> IterableSource:
    return IterableSource(FakeConnection(address, kind="iterable", secret="iterable-key-1", settings={"limits": FREE, **settings}))


def test_every_line_of_every_file_comes_as_it_was_but_blank_ones_and_a_byte_order_mark(exporter: Exporter, service: Service):
    exporter.files = {
        "1.json": b'\xef\xbb\xbf{"n": 1}\r\n\n{"n": 2\n',
        "2.json": b"",
        "3.json": b'{"n": 1.10, "a":"\xff"}\n  \n[]\nnonsense',
    }
    exporter.bodies["3.json"] = [Reply(body=exporter.files["3.json"]), Reply(body=exporter.files["3.json"])]
    lines = list(source_at(service.url).read("user", WHOLE))
    assert lines == [b'{"n": 1}', b'{"n": 2', b'{"n": 1.10, "a":"\xff"}', b"[]", b"nonsense"]
    wanted = exporter.jobs[3001]["window"]
    assert wanted["startDateTime"] == "2025-01-01 00:00:00 +00:00"
    assert (wanted["dataTypeName"], wanted["outputFormat"]) == ("user", "application/x-json-stream")


@pytest.mark.parametrize("knob", ["truncated_over_days", "fails_over_days"])
def test_a_window_that_is_cut_off_or_fails_is_read_as_halves_and_nothing_twice(exporter: Exporter, service: Service, knob: str):
    setattr(exporter, knob, 100)
    lines = list(source_at(service.url).read("user", WHOLE))
    assert len(lines) == 4  # 365 days -> 2 halves -> 4 quarters, one line each
    assert len(exporter.jobs) == 1 + 2 + 4


def test_a_window_that_fails_down_to_a_minute_ends_in_an_error(exporter: Exporter, service: Service):
    exporter.fails_over_days = -1
    with pytest.raises(ExportFailed):
        list(source_at(service.url).read("user", WHOLE))
    assert len(exporter.jobs) < 30


def test_a_cancelled_job_is_said_and_not_divided(exporter: Exporter, service: Service):
    exporter.states = ["running", "cancelling"]
    with pytest.raises(ExportCancelled):
        list(source_at(service.url).read("user", WHOLE))


def test_an_expired_link_is_asked_for_anew(exporter: Exporter, service: Service):
    exporter.files = {f"{n}.json": b'{"n": %d}\n' % n for n in range(1, 6)}
    exporter.states = ["completed"]
    exporter.expired = {"/files/2/1.json", "/files/3/4.json"}
    assert [json.loads(line)["n"] for line in source_at(service.url).read("user", WHOLE)] == [1, 2, 3, 4, 5]


def test_a_file_without_a_length_that_ends_within_a_record_is_read_again(exporter: Exporter, service: Service):
    exporter.bodies["1.json"] = [Reply(body=b'{"email": "a@b.ex', chunked=True)]
    assert list(source_at(service.url).read("user", WHOLE)) == [b'{"email": "a@b.example"}']
    exporter.bodies["1.json"] = [Reply(body=b'{"email": "a', chunked=True), Reply(body=b'{"email": "a@b.ex', chunked=True)]
    with pytest.raises(Retryable):
        list(source_at(service.url).read("user", WHOLE))


def test_the_jobs_of_the_next_slices_run_while_one_is_read_but_the_open_one_starts_last(exporter: Exporter, service: Service):
    source = source_at(service.url)
    pieces = source.slices("user", NOW)
    list(source.read("user", pieces[0]))
    assert len(exporter.jobs) == 4
    for piece in pieces[1:-1]:
        list(source.read("user", piece))
    assert len(exporter.jobs) == len(pieces) - 1
    list(source.read("user", pieces[-1]))
    assert len(exporter.jobs) == len(pieces)
    assert exporter.jobs[3000 + len(pieces)]["window"]["endDateTime"].startswith("2200")


def test_years_that_the_source_takes_no_export_of_are_empty_and_all_others_are_read(exporter: Exporter, service: Service):
    answered = exporter.answer

    def script(request: Received) -> Reply:
        asked = request.json if request.method == "POST" else {}
        odd = asked.get("startDateTime", "")[:4] in ("0001", "2200") or "soon" in asked.get("onlyFields", "")
        return Reply(400, json={"msg": "Invalid startDateTime", "code": "BadParams"}) if odd else answered(request)

    service.script = script
    source, reading = source_at(service.url), Reading()
    read = {piece.name: len(list(source.read("user", piece, reading))) for piece in source.slices("user", NOW)}
    assert [name for name, lines in read.items() if not lines] == ["0001-01-01", "2200-01-01"]
    assert [finding.subject for finding in reading.findings] == ["user 0001-01-01", "user 2200-01-01"]
    with pytest.raises(HttpRefused):
        list(source.read("user", WHOLE, Reading({}, fields=("soon",))))


def test_a_job_that_takes_longer_than_a_task_is_waited_for_by_the_next_one_and_not_started_again(exporter: Exporter, service: Service):
    exporter.states, kept = ["running"], {}
    pieces = source_at(service.url).slices("user", NOW)
    for _ in range(2):
        source = source_at(service.url)
        source.slices("user", NOW)
        with pytest.raises(StillPreparing):
            list(source.read("user", pieces[0], Reading(kept, until=0)))
    kept = json.loads(json.dumps(kept))
    assert (len(exporter.jobs), len(kept["jobs"])) == (4, 4)
    for job in exporter.jobs.values():
        job["states"] = ["completed"]
    assert len(list(source_at(service.url).read("user", pieces[0], Reading(kept, until=0)))) == 1
    assert (len(exporter.jobs), len(kept["jobs"])) == (4, 3)


@pytest.mark.parametrize("status", [404, 410])
def test_a_job_that_is_gone_by_the_next_try_is_started_anew_once(exporter: Exporter, service: Service, status: int):
    exporter.states, kept = ["running"], {}
    pieces = source_at(service.url).slices("user", NOW)
    with pytest.raises(StillPreparing):
        list(source_at(service.url).read("user", pieces[0], Reading(kept, until=0)))
    answered, gone = exporter.answer, set(exporter.jobs)
    exporter.states = ["completed"]
    service.script = lambda request: Reply(status) if any(f"/{job}/files" in request.path for job in gone) else answered(request)
    assert len(list(source_at(service.url).read("user", pieces[0], Reading(kept)))) == 1
    service.script = lambda request: Reply(status) if "/files" in request.path else answered(request)
    with pytest.raises(HttpRefused):
        list(source_at(service.url).read("user", pieces[1], Reading(kept)))


def test_a_lost_answer_to_a_started_job_is_asked_again(exporter: Exporter, service: Service):
    answered, lost = exporter.answer, [True]
    service.script = lambda request: Reply(drop=True) if request.method == "POST" and lost and lost.pop() else answered(request)
    assert len(list(source_at(service.url).read("user", WHOLE))) == 1


def test_an_unknown_object_or_answer_is_refused_before_anything_is_sent(service: Service):
    source = source_at(service.url)
    with pytest.raises(BadInput):
        source.slices("unicorn", NOW)
    with pytest.raises(BadInput):
        source.reference("unicorns")
    assert not service.received


def test_a_proxys_page_in_place_of_an_answer_is_said_as_such(service: Service):
    service.replies(Reply(body=b"<html>sign in</html>"))
    with pytest.raises(StrangeAnswer):
        source_at(service.url).reference("lists")
    with pytest.raises(StrangeAnswer):
        list(source_at(service.url).read("user", WHOLE))


PAGE = Reply(body=b"\n<html>\n<body>Blocked by your web filter.</body>\n</html>\n")


def test_a_proxys_page_in_place_of_a_download_is_no_records_and_the_next_try_has_them_all(exporter: Exporter, service: Service):
    exporter.bodies, kept = {"1.json": [PAGE]}, {}
    with pytest.raises(StrangeAnswer, match="1.json"):
        list(source_at(service.url).read("user", WHOLE, Reading(kept)))
    assert len(list(source_at(service.url).read("user", WHOLE, Reading(kept)))) == 1
    campaigns = Reply(json={"campaigns": [{"id": 1}], "totalCampaignsCount": 1})
    service.script = lambda request: campaigns if request.path.startswith("/api/campaigns?") else PAGE
    for name, piece in (
        ("listMember", Slice("7", {"list": "7"})),
        ("campaignMetric", source_at(service.url).slices("campaignMetric", NOW)[0]),
    ):
        with pytest.raises(StrangeAnswer, match="web page"):
            list(source_at(service.url).read(name, piece))


def project(service: Service, key: str = "iterable-key-1", fields: int = 10) -> None:
    """Let a service answer as an Iterable project that knows one key."""
    bodies = {
        "/api/channels": {"channels": []},
        "/api/users/getFields": {"fields": {f"field{n}": "string" for n in range(fields)}},
        "/api/users/forgotten": {"hashedEmails": ["0A" * 32]},
        "/api/users/forgottenUserIds": {"hashedUserIds": []},
    }

    def script(request: Received) -> Reply:
        if request.headers.get("Api-Key") != key:
            return Reply(401, json={"msg": "Invalid API key", "code": "BadApiKey"})
        return Reply(json=bodies[request.path])

    service.script = script


def test_a_check_confirms_the_data_centre_and_counts_fields_and_forgotten_people(service: Service):
    project(service, fields=950)
    findings = {finding.check: finding for finding in source_at(service.url + "/api/").check()}
    assert {name: finding.severity for name, finding in findings.items()} == {
        "data_centre": "info",
        "source_latency": "info",
        "field_limit": "warning",
        "forgotten": "info",
    }
    assert "950" in findings["field_limit"].evidence


def test_a_key_of_the_other_data_centre_is_told_from_a_wrong_key(service: Service):
    with serving() as other:
        centres = {"US": service.url, "EU": other.url}
        project(service, key="another-project-key")
        project(other)
        with pytest.raises(Unauthorized) as caught:
            source_at(service.url, data_centres=centres).check()
        assert f"{other.url} (EU data centre)" in caught.value.remedy
        project(other, key="another-project-key")
        with pytest.raises(Unauthorized) as caught:
            source_at(service.url, data_centres=centres).check()
    assert "valid server-side key" in caught.value.remedy
    assert "iterable-key-1" not in f"{caught.value!r}{caught.value.remedy}"


@pytest.mark.parametrize("reply", [Reply(404), Reply(body=b"<html>welcome</html>"), Reply(json={"hello": 1})])
def test_an_address_where_no_iterable_answers_names_both_data_centres(service: Service, reply: Reply):
    service.replies(reply)
    with pytest.raises(BadInput) as caught:
        source_at(service.url).check()
    assert "https://api.eu.iterable.com (EU)" in caught.value.remedy


def test_an_address_without_a_server_names_both_data_centres():
    with serving() as service:
        gone = service.url
    with pytest.raises(BadInput) as caught:
        IterableSource(FakeConnection(gone, secret="iterable-key-1"), backoff_s=0.01).check()
    assert "https://api.iterable.com (US)" in caught.value.remedy


def test_an_outage_is_not_taken_for_a_wrong_address(service: Service):
    service.replies(Reply(503))
    with pytest.raises(Unreachable):
        IterableSource(FakeConnection(service.url, secret="iterable-key-1"), backoff_s=0.01).check()
