"""The loss report where the load itself refused rows: a record's line says what really became of it."""

import json
import uuid

import pytest

from connectors import store
from loads import staged
from loads.staging.phases import Dispositions
from reports import losses
from tests.pages import cast

pytestmark = [pytest.mark.database, pytest.mark.django_db]
SHORTENED = {"code": "text.shortened", "field": "lastName", "detail": "60 characters, 50 fit", "severity": "loss"}
NOT_WHOLE = {"code": "number.not_whole", "field": "score", "detail": "", "severity": "note"}
REFUSED = [{"code": "0x80040237", "field": "", "detail": "Cannot insert duplicate key.", "severity": "reject"}]


@pytest.fixture
def run():
    engagement = cast.make_engagement("Northwind")
    run = cast.make_run(engagement, cast.make_user("ada"))
    run.staged = ["user"]
    with Dispositions(run, "user") as file:
        file.add(0, "u-fine", "planned", "contact")
        file.add(1, "u-short", "planned", "contact", reasons=[SHORTENED, NOT_WHOLE])
        file.add(2, "u-refused", "planned", "contact", reasons=[SHORTENED])
        file.add(3, "u-waiting", "planned", "contact")
        file.add(4, "u-left", "skipped", "", reasons=[{"code": "split.skip", "field": "", "detail": "", "severity": "note"}])
        file.add(5, "u-twin", "merged", "contact", into="u-short")
    phase = run.phases.get(table="contact")
    for position, name, held in ((2, "u-refused", False), (3, "u-waiting", True)):
        outcome, more = ("waiting" if held else "refused"), {"held": held, "row_id": uuid.uuid4(), "main_table": "contact"}
        cast.make_exception(run, name, "x", outcome, phase=phase, position=position, reasons=REFUSED, **more)
    return run


def test_every_reason_is_a_line_and_a_record_whose_row_was_refused_lost_nothing_but_itself(run):
    found = [(line["source_id"], line["disposition"], line["code"]) for line in losses.lines(run)]
    assert found == [
        ("u-short", "loaded", "text.shortened"),
        ("u-short", "loaded", "number.not_whole"),
        ("u-refused", "rejected", "text.shortened"),
        ("u-left", "skipped", "split.skip"),
        ("u-refused", "rejected", "0x80040237"),
        ("u-waiting", "held", "0x80040237"),
    ]


def test_a_line_of_json_is_a_line_of_the_file_and_the_whole_is_one_array(run):
    path = store.root() / losses.write(run).path
    lines = path.read_text().splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("[", "]", 8)
    assert json.loads(lines[1].rstrip(","))["words"] == "The text is longer than the column takes."
    assert json.loads(path.read_text())[4]["detail"] == "Cannot insert duplicate key."
    for file in staged.parts(run, "user", staged.DISPOSITIONS_KIND):
        file.unlink()
    run.ledger.all().delete()
    assert json.loads((store.root() / losses.write(run).path).read_text()) == []
