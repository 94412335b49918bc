import contextlib
import json
import time

import pytest
import requests

from connectors.simulators import iterable
from connectors.simulators.folder import Folder
from connectors.simulators.iterable.jobs import Jobs
from tests import simulated

KEY = {"Api-Key": "a-key"}
EXPORT = "/api/export/data.json"
# Byte for byte as it lies there: odd spacing, a line that is no JSON, one without a moment, the last without a line feed.
LINES = [
    b'{"email":"ann@northpine.example","userId":"u-1","profileUpdatedAt":"2024-01-01 00:00:00 +00:00","emailListIds":[7]}',
    b'{ "email": "Ben@Northpine.example",  "profileUpdatedAt": "2024-01-02 00:00:00 +00:00", "emailListIds": [7, 8] }  \r',
    b'{"email":"broken@northpine.example", "profileUpdatedAt":',
    b'{"email":"cem@northpine.example","userId":"u-3"}',
    b'{"email":"dora@northpine.example","userId":"u/4","profileUpdatedAt":"2024-01-01 01:00:00 +02:00","score":1.50}',
]


@pytest.fixture
def folder(tmp_path):
    put(tmp_path, "export/user.ndjson", b"\n".join(LINES))
    lists = [{"id": 7, "name": "A", "listType": "Standard"}, {"id": 9, "name": "B", "listType": "Dynamic"}]
    put(tmp_path, "lists.json", json.dumps({"lists": lists}).encode())
    put(tmp_path, "lists/9.txt", b"ann@northpine.example\nu-3\n")
    return tmp_path


def put(folder, name, content):
    path = folder / "iterable" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@contextlib.contextmanager
def served(folder, **options):
    with simulated.serve(iterable.build_app(folder, api_key="a-key", **options)) as address, requests.Session() as session:
        session.trust_env = False
        session.headers.update(KEY)
        yield lambda method, path, **more: session.request(method, path if path.startswith("http") else address + path, timeout=10, **more)


@pytest.fixture
def call(folder):
    with served(folder) as made:
        yield made


def export(call, **parameters):
    answer = call("GET", EXPORT, params={"dataTypeName": "user"} | parameters)
    assert answer.status_code == 200, answer.text
    return answer.content.split(b"\n")[:-1]


def test_the_key_counts_in_either_header_and_a_wrong_one_is_refused_in_json(call):
    assert call("GET", "/api/channels", headers={"Api-Key": None, "api_key": "a-key"}).json() == {"channels": []}
    for wrong in ({"Api-Key": "other"}, {"Api-Key": None}):
        answer = call("GET", "/api/lists/getUsers?listId=7", headers=wrong)
        assert (answer.status_code, answer.json()["code"], answer.json()["params"]["endpoint"]) == (401, "BadApiKey", "/api/lists/getUsers")


def test_rows_are_served_byte_for_byte_malformed_ones_too(call):
    assert export(call, range="All") == LINES


def test_a_window_takes_its_start_in_and_its_end_out(call):
    assert export(call, startDateTime="2024-01-01 00:00:00", endDateTime="2024-01-02 00:00:00") == [LINES[0]]
    assert export(call, startDateTime="2024-01-02 01:00:00 +01:00", endDateTime="2024-01-03 00:00:00") == [LINES[1]]
    assert export(call, startDateTime="2023-12-31 23:00:00", endDateTime="2024-01-01 00:00:00") == [LINES[4]]


def test_a_row_without_a_moment_that_can_be_read_counts_as_time_zero(call):
    assert export(call, startDateTime="1970-01-01 00:00:00", endDateTime="1970-01-01 00:00:01") == [LINES[2], LINES[3]]


def test_chosen_fields_leave_lines_alone_that_have_nothing_to_lose(call):
    assert export(call, range="All", omitFields="score,userId")[1:3] == LINES[1:3]
    only = export(call, range="All", onlyFields="email, userId")
    assert only[0] == b'{"email":"ann@northpine.example","userId":"u-1"}'
    assert only[2:4] == LINES[2:4]


@pytest.mark.parametrize("parameters", [
    {"dataTypeName": "user"}, {"dataTypeName": "users", "range": "All"}, {"dataTypeName": "user", "range": "Tomorrow"},
    {"dataTypeName": "user", "startDateTime": "2024-01-01T00:00:00Z", "endDateTime": "2024-01-02 00:00:00"},
])  # fmt: skip
def test_wrong_parameters_are_refused_in_the_envelope(call, parameters):
    answer = call("GET", EXPORT, params=parameters)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadParams")


def test_a_type_without_a_file_is_an_empty_export(call):
    assert call("GET", EXPORT, params={"dataTypeName": "customEvent", "range": "All"}).content == b""


def test_csv_has_a_column_for_each_key(call):
    lines = call("GET", "/api/export/data.csv", params={"dataTypeName": "user", "range": "All"}).text.splitlines()
    assert lines[0] == "email,userId,profileUpdatedAt,emailListIds,score"
    assert lines[2] == 'Ben@Northpine.example,,2024-01-02 00:00:00 +00:00,"[7, 8]",'


def test_static_members_come_from_profiles_and_dynamic_ones_from_their_file(call):
    assert call("GET", "/api/lists/getUsers?listId=7").text == "ann@northpine.example\nBen@Northpine.example\n"
    assert call("GET", "/api/lists/getUsers?listId=7&preferUserId=true").text == "u-1\nBen@Northpine.example\n"
    assert call("GET", "/api/lists/getUsers?listId=9").text == "ann@northpine.example\nu-3\n"
    assert call("GET", "/api/lists/9/size").text == "2"
    assert call("GET", "/api/lists/getUsers?listId=5").status_code == 400


def test_one_person_is_found_by_address_in_any_case_and_by_user_id(call):
    user = call("GET", "/api/users/BEN@northpine.example").json()["user"]
    assert (user["email"], user["dataFields"]["emailListIds"]) == ("Ben@Northpine.example", [7, 8])
    assert call("GET", "/api/users/byUserId/u%2F4").json()["user"]["dataFields"]["score"] == 1.5
    assert call("GET", "/api/users/getByEmail?email=nobody@northpine.example").json() == {}


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


def start(call, **more):
    answer = call("POST", "/api/export/start", json={"dataTypeName": "user", "outputFormat": "application/x-json-stream"} | more)
    return answer.json()["jobId"]


def state(call, job):
    return call("GET", f"/api/export/{job}/files").json()["jobState"]


def test_a_job_gives_its_files_page_by_page_through_links_that_need_no_key(folder):
    with served(folder, jobs=Jobs(seconds=0.02, file_bytes=200, page=2)) as call:
        job, pages, content = start(call), [], b""
        while state(call, job) != "completed":
            time.sleep(0.01)
        for _ in range(3):
            after = {"startAfter": pages[-1][-1]} if pages else {}
            files = call("GET", f"/api/export/{job}/files", params=after).json()["files"]
            pages.append([file["file"] for file in files])
            content += b"".join(call("GET", file["url"], headers={"Api-Key": None}).content for file in files)
    assert content.split(b"\n")[:-1] == LINES
    assert [len(page) for page in pages] == [2, 1, 0]
    assert sum(pages, []) == sorted(sum(pages, []))


def test_four_jobs_run_at_a_time_and_one_can_be_cancelled(folder):
    clock = Clock()
    with served(folder, jobs=Jobs(seconds=3, clock=clock)) as call:
        jobs = [start(call) for _ in range(6)]
        clock.now += 1.5
        assert [state(call, job) for job in jobs] == ["running"] * 4 + ["enqueued"] * 2
        assert call("DELETE", f"/api/export/{jobs[5]}").status_code == 200
        clock.now += 3
        assert [state(call, job) for job in jobs] == ["completed"] * 4 + ["running", "cancelled"]
        assert call("DELETE", f"/api/export/{jobs[0]}").status_code == 400


def test_a_link_ends_after_half_an_hour_and_a_changed_one_never_began(folder):
    clock = Clock()
    with served(folder, jobs=Jobs(seconds=1, clock=clock)) as call:
        job = start(call)
        clock.now += 2
        url = call("GET", f"/api/export/{job}/files").json()["files"][0]["url"]
        assert call("GET", url).status_code == 200
        assert call("GET", url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
        clock.now += 1801
        assert call("GET", url).status_code == 403


def test_limits_are_those_of_the_published_table(folder):
    with served(folder, limits="real") as call:
        answers = [call("GET", EXPORT, params={"dataTypeName": "user", "range": "All"}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429]
        assert answers[-1].json() == {"msg": "Exceeded rate limit.", "code": "RateLimitExceeded"}
        assert [call("GET", "/api/lists/getUsers?listId=7").status_code for _ in range(6)] == [200] * 5 + [429]
    with served(folder, limits="scaled") as call:
        assert [call("GET", "/api/lists/getUsers?listId=7").status_code for _ in range(6)] == [200] * 5 + [429]
        time.sleep(1.01)
        assert call("GET", "/api/lists/getUsers?listId=7").status_code == 200


def test_after_advance_a_later_file_stands_in_place_of_the_first(folder, call):
    later = b'{"email":"new@northpine.example","profileUpdatedAt":"2025-01-01 00:00:00 +00:00"}\n'
    put(folder / "later", "export/user.ndjson", later)
    assert export(call, range="All") == LINES
    call("POST", "/_simulator/advance")
    assert export(call, range="All") == [later.strip()]
    assert call("GET", "/api/lists").json()["lists"][0]["id"] == 7


def test_pages_have_a_total_and_their_neighbours(folder, call):
    put(folder, "journeys.json", json.dumps({"journeys": [{"id": n, "name": str(n)} for n in range(25)]}).encode())
    first = call("GET", "/api/journeys?sort=-id").json()
    assert [first["journeys"][0]["id"], len(first["journeys"]), first["totalJourneysCount"]] == [24, 10, 25]
    second = call("GET", first["nextPageUrl"]).json()
    assert second["journeys"][0]["id"] == 14
    assert "page=1" in second["previousPageUrl"]


def test_a_blank_file_is_an_empty_answer_as_a_missing_one_is(folder, call):
    for name, path, answer in (
        ("channels.json", "/api/channels", {"channels": []}),
        ("campaigns.json", "/api/campaigns", {"campaigns": [], "totalCampaignsCount": 0}),
        ("journeys.json", "/api/journeys", {"journeys": [], "totalJourneysCount": 0}),
    ):
        put(folder, name, b"\xef\xbb\xbf \n")
        assert call("GET", path).json() == answer
    put(folder, "campaigns/metrics.csv", b"")
    assert call("GET", "/api/campaigns/metrics", params={"campaignId": 1}).text == "id\n"


def test_a_byte_order_mark_and_bytes_that_are_no_text_do_no_harm(folder, call):
    put(folder, "campaigns.json", b'\xef\xbb\xbf{"campaigns": [{"id": 1}]}')
    put(folder, "campaigns/metrics.csv", b"id,name\n1,M\xfcller\n2,x\n")
    put(folder, "lists/9.txt", b"\xef\xbb\xbfann@northpine.example\nM\xfcller\n")
    assert call("GET", "/api/campaigns").json()["campaigns"] == [{"id": 1}]
    assert call("GET", "/api/campaigns/metrics", params={"campaignId": 1}).content == b"id,name\n1,M\xfcller\n"
    assert call("GET", "/api/lists/getUsers", params={"listId": 9}).text == "ann@northpine.example\nM\ufffdller\n"


def test_half_characters_and_long_numbers_are_served_as_they_are(folder, call):
    rows = [{"id": 10**30, "name": "half \ud83d"}]
    put(folder, "campaigns.json", json.dumps({"campaigns": rows}).encode())
    assert call("GET", "/api/campaigns").json()["campaigns"] == rows
    put(folder, "export/user.ndjson", json.dumps({"email": "half \ud83d", "n": 10**30, "x": 1}).encode())
    assert [json.loads(line) for line in export(call, range="All", omitFields="x")] == [{"email": "half \ud83d", "n": 10**30}]


def test_a_file_of_another_shape_is_named(folder, call):
    for content in (b"[]", b"7", b'{"journeys": {}}', b"no JSON"):
        put(folder, "journeys.json", content)
        answer = call("GET", "/api/journeys")
        assert (answer.status_code, answer.json()["msg"]) == (500, "journeys.json of the folder served has no list of journeys.")


def test_no_file_outside_the_folder_is_served(folder):
    (folder.parent / "secret.json").write_text("{}")
    assert Folder(folder).find("../secret.json") is None
    assert Folder(folder).find("iterable/lists.json") == folder / "iterable/lists.json"
