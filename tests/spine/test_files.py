"""Notes and attachments with their files: small ones with their rows, large ones block by block; read back, and taken back again.

No platform of today has any: see other_platform.
"""

import io
from base64 import b64decode, b64encode
from types import SimpleNamespace

import orjson
import pytest

from connectors import files
from loads import engine
from loads.dispositions import lookup
from loads.models import Run
from loads.verifying import read_again
from mapping.playbooks.rules import ObjectRule, ParentRule, RecordRule
from tests import folders
from tests.folders import user
from tests.playing import OTHERS, dump
from tests.spine.test_second_run import SELLER

pytestmark = [pytest.mark.database, pytest.mark.django_db]
SMALL, LARGE, TOO_LARGE = b"small " * 200, bytes(range(256)) * 20_000, bytes(7 << 20)  # 1.2 kB, 5.1 MB, 7 MB
MADE = {"createdAt": "2024-03-05 09:10:11 +00:00"}
PERSON = {"systemuserid": SELLER, "fullname": "Sam", "internalemailaddress": "sam@x.example", "isdisabled": False, "accessmode": 0}
LIMIT = 8 << 20  # of the Base64
COLUMNS = {
    "mail": ("email", {"title": ("subject", "text")}),
    "note": ("annotation", {"title": ("subject", "text"), "file": ("documentbody", "file"), "called": ("filename", "text")}),
    "attachment": ("activitymimeattachment", {"file": ("body", "file"), "called": ("filename", "text"), "kind": ("mimetype", "text")}),
}
LOST = (
    {"method": "POST", "path": "CommitAnnotationBlocksUpload", "do": "lose", "times": 1},
    {"method": "POST", "path": "CommitAttachmentBlocksUpload", "do": "drop", "times": 1},
)
LEAVE = OTHERS
PARENTS = {"note": ("user", "person"), "attachment": ("mail", "mail")}


def extended(content):
    """The maps of a platform that has mails, notes and attachments too."""
    objects, fields = dict(content["objects"]), list(content["fields"])
    for name, (table, columns) in COLUMNS.items():
        parent, key = PARENTS.get(name, ("", ""))
        parents = [vars_of(ParentRule(name, "objectid", parent, (key,)))] if parent else []
        rule, record = (
            vars_of(ObjectRule(name, name, "record", (table,))),
            vars_of(RecordRule(name, ("createdAt",), ("overriddencreatedon",))),
        )
        objects[name] = {"tables": [table], "kind": rule["kind"], "after": [], "record": record, "parents": parents, "computed": []}
        fields += [
            {
                "object": name,
                "table": table,
                "source": source,
                "column": column,
                "transform": transform,
                "options": {},
                "state": "confirmed",
            }
            for source, (column, transform) in columns.items()
        ]
    return {**content, "objects": objects, "fields": fields}


def folder(path):
    return folders.write(path, [user("u-of-note", "p@gmail.com")], rows={"dataverse/systemuser": [PERSON]})


def vars_of(rule):
    return orjson.loads(orjson.dumps(rule))


def records(other):
    """What the connector lands; each file is in the store."""
    slug = other.engagement.slug
    kept = {
        name: files.keep(slug, io.BytesIO(content)).name for name, content in (("small", SMALL), ("large", LARGE), ("too large", TOO_LARGE))
    }
    kept["empty"], kept["lost"] = files.keep(slug, io.BytesIO(b"")).name, files.keep(slug, io.BytesIO(b"lost")).name
    files.StoredFile.named(slug, kept["lost"]).path.unlink()
    named = {
        "small": ("small", "offer.pdf"), "large": ("large", "film.mp4"), "lost answer": ("large", "film again.mp4"),
        "odd name": ("small", "a/b: c?.pdf"), "empty": ("empty", "empty.txt"), "too large": ("too large", "large.bin"),
        "blocked": ("small", "run.exe"), "picture": ("small", "logo.svg"), "lost": ("lost", "lost.pdf"),
    }  # fmt: skip
    notes = [
        {"id": name, "person": "u-of-note", "title": name, "file": kept[file], "called": called, **MADE}
        for name, (file, called) in named.items()
    ]
    notes.append({"id": "words", "person": "u-of-note", "title": "words alone", **MADE})
    notes.append({"id": "no file", "person": "u-of-note", "title": "no file", "file": "../../etc/passwd", "called": "x.txt", **MADE})
    attachments = [
        {"id": file, "mail": "m-1", "file": kept[file], "called": f"{file}.bin", "kind": "text/plain", **MADE}
        for file in ("small", "large")
    ]
    return {"mail": [{"id": "m-1", "title": "With attachments", **MADE}], "note": notes, "attachment": attachments}


def there(other, table):
    return {row["subject" if table == "annotation" else "filename"]: row for row in dump(other.servers.dataverse_sandbox, table)}


def narrow(other):
    """Some files are too large for the organisation, or of a kind that it doesn't take."""
    client = engine.Destination(other.sandbox).client
    [organisation] = client.rows("organizations", select=["organizationid"])
    settings = {"maxuploadfilesize": LIMIT, "blockedmimetypes": "image/svg+xml"}
    client.send("PATCH", f"organizations({organisation['organizationid']})", json=settings)


@pytest.fixture(scope="module")
def loaded(told):
    return told


def story(other):
    """A run with files, another one, what is read of the first once that is taken back, and its own rollback."""
    found, servers = SimpleNamespace(), other.servers
    yield narrow(other)
    servers.fault("dataverse_sandbox", *LOST)
    first = yield
    found.run, found.phases = first, phases(first)
    found.notes, found.attachments = there(other, "annotation"), there(other, "activitymimeattachment")
    found.asked = servers.stats("dataverse_sandbox")["requests"]
    found.told = {name: lookup(first, "note", name)[0] for name in ("odd name", "empty", "too large", "blocked", "picture", "lost")}
    found.contact = other.row("contact", "user:u-of-note")["contactid"]
    again = yield
    found.again, found.sent_again = (again, phases(again)), servers.stats("dataverse_sandbox")["requests"]
    yield
    words = b64encode(SMALL[::-1]).decode()  # as long, and something else
    other.edit("annotation", found.notes["odd name"]["annotationid"], {"documentbody": words})
    read = {place.phase.table: place for place in read_again(first) if place.phase.object_name in COLUMNS}
    found.edited, found.differing = ({table: getattr(place, name) for table, place in read.items()} for name in ("edited", "differing"))
    yield
    found.left = there(other, "annotation"), there(other, "activitymimeattachment")
    yield
    yield found


def phases(run):
    return {phase.table: phase for phase in run.phases.filter(object_name__in=COLUMNS)}


def test_a_small_file_goes_with_its_row_and_a_large_one_block_by_block(loaded):
    assert loaded.run.state == Run.State.DONE, loaded.run.message
    assert b64decode(loaded.notes["small"]["documentbody"]) == b64decode(loaded.attachments["small.bin"]["body"]) == SMALL
    assert b64decode(loaded.notes["large"]["documentbody"]) == b64decode(loaded.attachments["large.bin"]["body"]) == LARGE
    note = loaded.notes["large"]
    assert (note["filename"], note["mimetype"], note["filesize"]) == ("film.mp4", "video/mp4", len(LARGE))
    assert note["_objectid_value"] == loaded.contact
    assert loaded.notes["words alone"]["documentbody"] is None
    assert loaded.asked["POST /api/data/v9.2/UploadBlock"] == 4 * 2  # two notes, one attachment, and that once more


def test_an_answer_that_got_lost_leaves_one_row_and_sends_the_file_again_only_where_it_is_not_there(loaded):
    commits = {name: count for name, count in loaded.asked.items() if "Commit" in name}
    assert commits == {
        "POST /api/data/v9.2/CommitAnnotationBlocksUpload": 2,  # one for each large note, the lost answer among them
        "POST /api/data/v9.2/CommitAttachmentBlocksUpload": 2,
    }
    assert len(loaded.attachments) == 2


def test_what_the_organisation_does_not_take_is_rejected_with_its_reason_before_anything_is_sent(loaded):
    told = {name: (one["disposition"], [reason["code"] for reason in one["reasons"]]) for name, one in loaded.told.items()}
    assert told["too large"] == ("rejected", ["file.too_large"])
    assert told["blocked"] == told["picture"] == ("rejected", ["file.blocked"])
    assert [loaded.told[name]["reasons"][0]["detail"] for name in ("blocked", "picture")] == ["exe", "image/svg+xml"]
    assert told["lost"] == ("held", ["file.lost"])
    assert set(loaded.notes) == {"small", "large", "lost answer", "odd name", "empty", "words alone", "no file"}
    notes = loaded.phases["annotation"]
    assert (notes.extracted, notes.loaded, notes.rejected, notes.held, notes.created) == (11, 7, 3, 1, 7)


def test_a_name_that_no_file_may_have_is_changed_and_an_empty_file_left_out(loaded):
    assert loaded.notes["odd name"]["filename"] == "a_b_ c_.pdf"
    assert "file.renamed" in [reason["code"] for reason in loaded.told["odd name"]["reasons"]]
    assert loaded.notes["empty"]["documentbody"] is None


def test_no_record_can_name_anything_of_the_store_but_files_of_its_engagement(loaded):
    assert loaded.notes["no file"]["documentbody"] is None


def test_the_content_is_read_back_and_not_the_size_alone(loaded):
    values = loaded.phases["annotation"].verified["columns"]
    assert values["documentbody"] == [4, 0, 0, 0, 0]
    assert values["filesize"] == [0, 4, 0, 0, 0]
    assert loaded.edited == {**dict.fromkeys(loaded.edited, []), "annotation": [("odd name", ["documentbody"])]}
    assert not any(loaded.differing.values())


def test_a_second_run_finds_the_files_there_and_sends_none(loaded):
    run, phases = loaded.again
    assert run.state == Run.State.DONE, run.message
    assert [(phases[table].equal, phases[table].created) for table in ("annotation", "activitymimeattachment")] == [(7, 0), (2, 0)]
    assert loaded.sent_again["POST /api/data/v9.2/UploadBlock"] == loaded.asked["POST /api/data/v9.2/UploadBlock"]


def test_a_rollback_removes_what_was_made_but_for_a_file_that_a_person_put_in_its_place(loaded):
    notes, attachments = loaded.left
    assert (set(notes), attachments) == ({"odd name"}, {})
