"""Files of notes and attachments at the simulated organisation: what it takes, and what it refuses of a file that is sent by blocks."""

from base64 import b64decode, b64encode

import pytest

from tests.simulators.dataverse_organisation import NS, guid, organisation

INVALID, TOO_BIG, BLOCKED, BAD_NAME, NO_TYPE = (
    (400, "0x80040203"),
    (400, "0x80044a02"),
    (400, "0x80043e09"),
    (400, "0x80044a08"),
    (400, "0x80072522"),
)
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        [row] = served.get("organizations?$select=organizationid")["value"]
        limits = {"maxuploadfilesize": 8 * MEBIBYTE, "blockedmimetypes": "image/svg+xml"}
        assert served.call("PATCH", f"organizations({row['organizationid']})", limits).ok
        yield served


def text(raw):
    return b64encode(raw).decode()


def note(row_id, **values):
    return {"@odata.type": f"{NS}.annotation", "annotationid": row_id, "subject": "s", "filename": "a.pdf", **values}


def begun(org, target, kind="Annotation"):
    return org.call("POST", f"Initialize{kind}BlocksUpload", {"Target": target}).json()["FileContinuationToken"]


def block(token, name, content):
    return {"BlockId": text(name), "BlockData": text(content), "FileContinuationToken": token}


def commit(token, target, *names):
    return {"Target": target, "BlockList": [text(name) for name in names], "FileContinuationToken": token}


def test_a_file_is_what_its_blocks_are_in_the_order_of_the_list(org):
    row_id = guid()
    target = note(row_id)
    token = begun(org, target)
    for name, content in ((b"1", b"world"), (b"2", b"lost"), (b"2", b"hello ")):
        assert org.call("POST", "UploadBlock", block(token, name, content)).status_code == 204
    answer = org.call("POST", "CommitAnnotationBlocksUpload", commit(token, target, b"2", b"1")).json()
    assert (answer["AnnotationId"], answer["FileSizeInBytes"]) == (row_id, 11)
    assert b64decode(org.call("GET", f"annotations({row_id})/documentbody/$value").content) == b"hello world"
    assert org.refusal("POST", "CommitAnnotationBlocksUpload", commit(token, target, b"2")) == INVALID  # the token is used up


def test_blocks_that_do_not_fit_are_refused(org):
    target = note(guid())
    token = begun(org, target)
    assert org.call("POST", "UploadBlock", block(token, b"01", b"x")).status_code == 204
    refused = [
        block(token, b"2", b"another length of id"),
        block(token, b"0" * 65, b"a longer id than there may be"),
        block(token, b"02", bytes(4 * MEBIBYTE + 1)),
        block(guid(), b"02", b"nobody's token"),
        {**block(token, b"02", b""), "BlockData": "%"},
    ]
    assert [org.refusal("POST", "UploadBlock", one) for one in refused] == [INVALID] * 5
    assert org.refusal("POST", "CommitAnnotationBlocksUpload", commit(token, target, b"01", b"02")) == INVALID
    assert org.refusal("POST", "CommitAnnotationBlocksUpload", commit(token, note(guid()), b"01")) == INVALID
    assert org.refusal("POST", "CommitAttachmentBlocksUpload", commit(token, target, b"01"))[0] == 400
    assert org.refusal("POST", "InitializeAnnotationBlocksUpload", {"Target": {**target, "documentbody": "eA=="}}) == INVALID
    nameless = {key: value for key, value in target.items() if key != "annotationid"}
    assert org.refusal("POST", "InitializeAnnotationBlocksUpload", {"Target": nameless}) == INVALID


def test_what_the_organisation_does_not_take_is_refused_inline_and_by_blocks(org):
    assert org.refusal("POST", "annotations", {"subject": "s", "filename": "a.exe", "documentbody": "eA=="}) == BLOCKED
    assert org.refusal("POST", "annotations", {"subject": "s", "filename": "a/b.pdf", "documentbody": "eA=="}) == BAD_NAME
    assert org.refusal("POST", "annotations", {"subject": "s", "documentbody": text(bytes(7 * MEBIBYTE))}) == TOO_BIG  # as Base64
    picture = note(guid(), mimetype="image/svg+xml")
    assert org.refusal("POST", "InitializeAnnotationBlocksUpload", {"Target": picture}) == NO_TYPE
    target = note(guid())
    token = begun(org, target)
    for name in (b"1", b"2"):
        org.call("POST", "UploadBlock", block(token, name, bytes(4 * MEBIBYTE)))
    assert org.refusal("POST", "CommitAnnotationBlocksUpload", commit(token, target, b"1", b"2")) == TOO_BIG


def test_blocks_change_a_note_that_is_there_but_no_attachment(org):
    row_id, mail = org.create("annotations", {"subject": "Before"}), org.create("emails", {"subject": "m"})
    target = note(row_id)
    token = begun(org, target)
    org.call("POST", "UploadBlock", block(token, b"1", b"x"))
    assert org.call("POST", "CommitAnnotationBlocksUpload", commit(token, target, b"1")).status_code == 200
    own = {"activitymimeattachmentid": guid(), "filename": "a.pdf", "objectid_email@odata.bind": f"/emails({mail})"}
    org.create("activitymimeattachments", own)
    there = {"@odata.type": f"{NS}.activitymimeattachment", **own}
    token = begun(org, there, "Attachment")
    org.call("POST", "UploadBlock", block(token, b"1", b"x"))
    assert org.refusal("POST", "CommitAttachmentBlocksUpload", commit(token, there, b"1")) == (412, "0x80040237")
