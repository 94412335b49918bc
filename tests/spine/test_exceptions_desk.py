"""The exceptions desk: what the service refused gets a remedy by groups or in a workbook, and is loaded again alone."""

import json
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from openpyxl import load_workbook

from loads import engine
from loads.desk import groups, remedying, reruns
from loads.dispositions import lookup
from loads.models import LedgerEntry, Run
from loads.runs import NotInThatState
from mapping.models import Remedy
from reports import exceptions
from tests import folders
from tests.folders import user
from tests.playing import collect
from tests.spine.test_rehearsal import ADA, CONTACT
from workbench.engagements.errors import BadInput
from workbench.engagements.models import AuditEntry
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db]
NAME, TOO_LONG = "Featherstonehaugh", "0x80044331"
LEFT_OUT = ("u-nine", "u-eight-2", "u-title")
LEAD = "EntityDefinitions(LogicalName='lead')"


def folder(path):
    """Those who are refused beside those of test_rehearsal."""
    people = [user(f"u-name-{n}", f"name{n}@gmail.com", lastName=f"{NAME} {n}") for n in (1, 2, 3)]
    people += [user(f"u-title-{n}", f"title{n}@gmail.com", jobTitle=f"Director of {n} departments") for n in (1, 2)]
    people += [user(name, f"{name}@gmail.com", score=score) for name, score in (("u-nine", 9), ("u-ten", 10))]
    people += [user("u-lead", "lead@gmail.com", "lead", lastName=f"{NAME} L")]
    return folders.write(path, people)


def spoil(client):
    """What more makes the service refuse: last names of ten characters at most, scores that are taken."""
    for table in (CONTACT, LEAD):
        client.send("PUT", f"{table}/Attributes(LogicalName='lastname')", json={"MaxLength": 10})
    for score in (9, 10):
        client.send("POST", "contacts", json={"lastname": "Before", "mwb_score": score})


def group_of(run, code, table="contact", column=""):
    [found] = [group for group in groups.groups(run) if (group.code, group.table) == (code, table) and column in ("", group.column)]
    return found


def give(run, code, choice, cast, value="", **place):
    group = group_of(run, code, **place)
    found = remedying.for_group(run, group, choice, value)
    return remedying.give(run, found, user=cast.engineer, subject=remedying.subject_of(run, group))


def sent(run, cells):
    """The exported workbook, its cells of some records edited, sent back. cells: record -> {column: text}."""
    book = load_workbook(exceptions.document_file(exceptions.write(run)))
    sheet = book[exceptions.RECORDS]
    header = [cell.value for cell in sheet[1]]
    for row in sheet.iter_rows(min_row=2):
        for name, text in cells.get(row[header.index("record")].value, {}).items():
            row[header.index(name)].value = text
    path = exceptions.document_file(exceptions.write(run)).with_name("edited.xlsx")
    book.save(path)
    return exceptions.keep_sent(run, path.read_bytes())


def refused(what):
    with pytest.raises((BadInput, NotInThatState)) as raised:
        what()
    return str(raised.value)


@pytest.fixture(scope="module")
def mended(told):
    return told


def story(prepared, run):
    """A run with refusals of several causes, their remedies, and the run of those records alone."""
    client, cast, found = engine.Destination(prepared.sandbox).client, prepared.cast, SimpleNamespace()
    yield spoil(client)
    found.first = first = yield
    found.told = {group.code: group for group in groups.groups(first) if group.table != "lead" and group.column != "jobtitle"}
    remedy(found, first, cast)
    found.before = {row["contactid"]: row for row in collect(prepared.engagement, prepared.servers).rows("contact", "sandbox")}
    chosen = [group_of(first, code) for code in ("0x8004022b", "0x80060892")]
    chosen += [group_of(first, TOO_LONG, column=column) for column in ("lastname", "jobtitle")]
    chosen.append(group_of(first, "0x80040217", "account"))
    client.send("PUT", f"{LEAD}/Attributes(LogicalName='lastname')", json={"MaxLength": 50})  # u-lead would load, but isn't chosen
    prepared.take(Step.Name.PROVISION, prepared.sandbox)  # a column that went in test_rehearsal
    again = prepared.finish(open_quietly(first, chosen, cast))  # the customer agrees to the shortened names
    stood = collect(prepared.engagement, prepared.servers)
    found.stood = SimpleNamespace(state=again.state, message=again.message, sent=len(rows_of(stood, again)))
    call_command("rehearse", again.key, stdout=(told_again := StringIO()))
    found.told_again = json.loads(told_again.getvalue())
    engine.runs.resume(again, cast.engineer)
    found.again = again = prepared.finish(again)
    book = load_workbook(exceptions.document_file(exceptions.write(first)))
    found.cells = [cell for row in book[exceptions.RECORDS].iter_rows() for cell in row]
    found.played = collect(prepared.engagement, prepared.servers)
    found.phases = [{(phase.object_name, phase.table): phase for phase in one.phases.all()} for one in (first, again)]
    found.records = {name: lookup(again, "user", name)[0] for name in ("u-nine", "u-ten", "u-lead", "u-name-1", "u-0")}
    found.ledger = list(LedgerEntry.objects.filter(run=again).values_list("source_id", "outcome", "code"))
    found.history = list(AuditEntry.objects.filter(engagement=prepared.engagement).values_list("action", flat=True))
    yield found


def remedy(found, first, cast):
    """What can't be is refused; what can is given by groups and in a workbook."""
    found.refusals = {
        "too many words": refused(lambda: give(first, "0x8004022b", "truncate", cast)),
        "a number": refused(lambda: give(first, "0x80060892", "value", cast, "seven")),
        "no text": refused(lambda: give(first, TOO_LONG, "text", cast, "mwb_score", column="jobtitle")),
        "nothing": refused(lambda: reruns.open_rerun(first, [], cast.engineer)),
    }
    give(first, TOO_LONG, "truncate", cast, column="lastname")
    give(first, "0x8004022b", "owner", cast)
    bad = sent(first, {"u-seven": {"remedy": "Another value", "new value": "77"}, "u-nine": {"remedy": "Burn"}})
    looked = exceptions.read(bad)
    found.bad = [(line.record, line.why_not) for line in looked.bad]
    found.refusals["half"] = refused(lambda: exceptions.apply(bad, user=cast.engineer, shown=looked.digest))
    found.untouched = Remedy.objects.filter(source_id="u-seven").exists()
    asked = {"u-seven": {"remedy": "another value", "new value": "77"}} | dict.fromkeys(LEFT_OUT, {"remedy": "Leave out"})
    asked |= {"u-title-1": {"remedy": "keep as text", "new value": "description"}, "u-title-2": {"remedy": "Keep as text"}}
    good = sent(first, asked)
    exceptions.apply(good, user=cast.engineer, shown=exceptions.read(good).digest)


def open_quietly(run, chosen, cast):
    """A re-run, its work not yet taken up."""
    runs = engine.runs
    runs.queue_work, queue = lambda run: None, runs.queue_work
    try:
        return reruns.open_rerun(run, chosen, cast.engineer)
    finally:
        runs.queue_work = queue


def rows_of(played, run):
    return [row for table in ("account", "contact", "lead") for row in played.rows(table, "sandbox") if row.get("mwb_runid") == run.key]


def test_refusals_stand_in_groups_with_one_cause_and_the_column_that_they_are_about(mended):
    counts = {code: (group.records, group.column) for code, group in mended.told.items()}
    assert counts["0x80044331"] == (3, "lastname")
    assert counts["0x8004022b"] == (3, "ownerid")
    assert counts["0x80060892"] == (4, "mwb_score")
    assert mended.told["parent.not_loaded"].follows
    assert "exceeded the maximum allowed length of '10'" in mended.told["0x80044331"].cause


def test_a_remedy_that_does_not_fit_is_refused_and_a_workbook_is_never_half_applied(mended):
    assert mended.refusals["a number"].startswith("The value doesn't fit the column mwb_score")
    assert mended.refusals["no text"] == "There is no other text column 'mwb_score'."
    assert mended.refusals["too many words"] == "These records don't offer this remedy."
    assert [record for record, _ in mended.bad] == ["u-nine"]
    assert "There is no remedy 'Burn'" in mended.bad[0][1]
    assert (mended.refusals["half"], mended.untouched) == ("1 lines can't be taken.", False)


def test_a_re_run_that_would_be_refused_again_stands_still_before_it_sends_anything(mended):
    assert (mended.stood.state, mended.stood.sent) == (Run.State.PAUSED, 0)
    assert "1 of what it sends or looks at again would be refused" in mended.stood.message  # u-ten has no remedy
    [reason] = mended.told_again["reasons"]
    assert (reason["code"], reason["column"], reason["examples"]) == ("0x80060892", "mwb_score", ["u-ten"])


def test_only_the_records_concerned_are_sent(mended):
    sent_again = {row["mwb_sourceid"] for row in rows_of(mended.played, mended.again)}
    assert sent_again == {
        *(f"user:u-name-{n}" for n in (1, 2, 3)),
        *(f"user:u-title-{n}" for n in (1, 2)),
        "user:u-ada-1",
        "user:u-ada-2",
        "user:u-bob",
        "user:u-seven",
        "user:u-north",
        *accounts(mended),
    }
    now = {row["contactid"]: row for row in mended.played.rows("contact", "sandbox")}
    assert {row_id: now[row_id]["versionnumber"] for row_id in mended.before} == {
        row_id: row["versionnumber"] for row_id, row in mended.before.items()
    }


def accounts(mended):
    """The account that went is made again."""
    return {row["mwb_sourceid"] for row in rows_of(mended.played, mended.again) if "accountid" in row}


def test_remedies_arrive_at_the_destination(mended):
    name = mended.played.row("contact", "user:u-name-2", "sandbox")
    assert name["lastname"] == NAME[:10]
    assert json.loads(name["mwb_original_values"])["lastname"] == f"{NAME} 2"
    assert mended.played.row("contact", "user:u-seven", "sandbox")["mwb_score"] == 77
    owner = mended.played.row("contact", "user:u-ada-1", "sandbox")
    assert owner["_ownerid_value"] == mended.played.row("contact", "user:u-0", "sandbox")["_ownerid_value"] != ADA
    north = mended.played.row("contact", "user:u-north", "sandbox")
    assert north["_parentcustomerid_value"]
    assert not [row for row in mended.played.rows("contact", "sandbox") if row.get("mwb_sourceid") in ("user:u-nine", "user:u-ten")]


def test_a_value_that_does_not_fit_is_kept_whole_as_text_in_the_column_that_was_chosen(mended):
    chosen, other = (mended.played.row("contact", f"user:u-title-{n}", "sandbox") for n in (1, 2))
    assert (chosen["jobtitle"], chosen["description"]) == ("Director of ", "Director of 1 departments")
    assert json.loads(other["mwb_original_values"])["jobtitle"] == "Director of 2 departments"


def test_conservation_holds_and_dispositions_follow(mended):
    assert mended.again.state == Run.State.DONE
    first, again = mended.phases
    for place, phase in again.items():
        assert phase.balanced
        assert phase.extracted == first[place].extracted
    contacts = again["user", "contact"]
    assert (contacts.loaded, contacts.skipped, contacts.rejected) == (20, 3, 1)
    assert (first["user", "contact"].loaded, first["user", "contact"].rejected) == (10, 13)
    dispositions = {name: told["disposition"] for name, told in mended.records.items()}
    assert dispositions == {"u-nine": "skipped", "u-ten": "rejected", "u-lead": "rejected", "u-name-1": "loaded", "u-0": "loaded"}
    leads = [(f"u-lead-{n}", "refused", "0x80048d19") for n in (1, 2, 3)]
    assert sorted(mended.ledger) == [("u-lead", "refused", "0x80044331"), *leads, ("u-ten", "refused", "0x80060892")]


def test_the_workbook_holds_ids_as_text_and_no_formula(mended):
    assert all(cell.data_type in ("s", "inlineStr", "n") for cell in mended.cells)
    assert not [cell for cell in mended.cells if cell.data_type == "f" or (cell.data_type == "n" and cell.value is not None)]
    assert f"{NAME} 1" in {cell.value for cell in mended.cells}


def test_the_history_says_what_was_done(mended):
    assert mended.history.count("gave remedies") == 3
    assert mended.history.count("opened re-run") == 1
