import pytest

from connectors.dataverse.batch import Operation, read_batch, read_parts, write_batch
from connectors.dataverse.errors import ShortAnswer
from workbench.engagements.errors import BadInput

ID = "11111111-2222-8333-9444-555555555555"
CREATED = (
    "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    f"HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\nOData-EntityId: https://x.example/api/data/v9.2/contacts({ID.upper()})\r\n\r\n\r\n"
)
REFUSED = (
    "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 412 Precondition Failed\r\n"
    'REQ_ID: 1\r\nContent-Type: application/json\r\n\r\n{"error":{"code":"0x80040237","message":"Cannot insert duplicate key."}}\r\n'
)


def multipart(boundary: str, *parts: str, end: bool = True) -> str:
    return "".join(f"--{boundary}\r\n{part}" for part in parts) + (f"--{boundary}--\r\n" if end else "")


@pytest.mark.parametrize("header", ["multipart/mixed; boundary=batchresponse_1", 'multipart/mixed; boundary="batchresponse_1"'])
def test_each_operation_gets_its_outcome_whether_the_boundary_is_quoted_or_not(header: str):
    created, refused = read_batch(multipart("batchresponse_1", CREATED, REFUSED).encode(), header)
    assert (created.ok, created.status, created.row_id) == (True, 204, ID)
    assert (refused.ok, refused.code, refused.message) == (False, "0x80040237", "Cannot insert duplicate key.")


def test_the_outcomes_of_a_change_set_stand_in_line_with_the_others():
    nested = multipart("changesetresponse_9", CREATED, CREATED)
    body = multipart("b", CREATED, f"Content-Type: multipart/mixed; boundary=changesetresponse_9\r\n\r\n{nested}", REFUSED)
    assert [outcome.status for outcome in read_batch(body.encode(), "multipart/mixed; boundary=b")] == [204, 204, 204, 412]


def test_a_body_with_blank_lines_and_dashes_is_not_taken_for_a_boundary():
    row = CREATED.replace("204 No Content", "200 OK")[:-4] + '\r\n\r\n{"@odata.etag":"W/\\"5\\"","description":"--b\\r\\n\\r\\n--b--"}\r\n'
    (outcome,) = read_batch(multipart("b", row).encode(), "multipart/mixed; boundary=b")
    assert outcome.body == {"@odata.etag": 'W/"5"', "description": "--b\r\n\r\n--b--"}
    assert outcome.etag == 'W/"5"'


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (multipart("b", CREATED, CREATED, end=False), "multipart/mixed; boundary=b"),
        ("", "multipart/mixed; boundary=b"),
        ('{"error":{}}', "application/json"),
    ],
)
def test_a_cut_answer_is_never_taken_for_whole(body: str, header: str):
    with pytest.raises(ShortAnswer):
        read_batch(body.encode(), header)


def test_a_batch_is_written_as_the_service_reads_it():
    operations = [
        Operation("PATCH", f"contacts({ID})", {"lastname": "Ünal"}, {"If-Match": "*"}),
        Operation("DELETE", f"leads({ID})"),
    ]
    written = write_batch(operations, root="/api/data/v9.2/", boundary="batch_1", headers={"MSCRM.X": "true"}).decode()
    assert written == (
        "--batch_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"PATCH /api/data/v9.2/contacts({ID}) HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\n"
        "MSCRM.X: true\r\nIf-Match: *\r\n\r\n"
        '{"lastname":"Ünal"}\r\n'
        "--batch_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"DELETE /api/data/v9.2/leads({ID}) HTTP/1.1\r\nMSCRM.X: true\r\n\r\n\r\n"
        "--batch_1--\r\n"
    )


def test_a_change_set_is_one_part_whose_operations_are_numbered():
    opening, change = Operation("PATCH", f"products({ID})", {"statecode": 3}), Operation("PATCH", f"products({ID})", {"name": "x"})
    written = write_batch([(opening, change), opening], root="/", boundary="b", headers={}).decode()
    assert written.count("Content-ID: ") == 2
    assert written.startswith('--b\r\nContent-Type: multipart/mixed; boundary="changeset_1_b"\r\n\r\n--changeset_1_b\r\n')
    assert "--changeset_1_b--\r\n--b\r\nContent-Type: application/http" in written


def test_a_change_set_has_the_outcomes_of_its_operations_or_one_refusal():
    nested = multipart("c", CREATED, CREATED)
    body = multipart("b", f"Content-Type: multipart/mixed; boundary=c\r\n\r\n{nested}", REFUSED, CREATED)
    found = read_parts(body.encode(), "multipart/mixed; boundary=b")
    assert [[outcome.status for outcome in part] for part in found] == [[204, 204], [412], [204]]


def test_a_line_break_in_a_path_and_a_batch_that_is_too_big_are_refused_here():
    with pytest.raises(BadInput):
        write_batch([Operation("GET", "contacts\r\nX: 1")], root="/", boundary="b", headers={})
    with pytest.raises(BadInput):
        write_batch([Operation("GET", "contacts")] * 1001, root="/", boundary="b", headers={})
