"""Records that wait for somebody's word get it at the exceptions desk, by groups, one by one or in a workbook, and load by it alone.

One engagement: a run that holds them, the answers, a re-run of those records, an answer that is taken back, and a whole run after it.
"""

from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loads import quality
from loads.desk import asking, candidates, groups, remedying
from loads.dispositions import lookup
from loads.models import LedgerEntry, Run
from mapping import plan
from mapping.models import Remedy
from reports import exceptions
from tests import folders
from tests.folders import organisation_list, user
from tests.playing import collect
from tests.spine.test_exceptions_desk import open_quietly, refused, sent
from tests.spine.test_existing_rows import BO, UNIT, account, colleague, contact, lead, row_id
from workbench.engagements.models import AuditEntry
from workbench.pipeline import cockpit
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db]
OLD, LATE = "2018-01-02T03:04:05Z", "2020-01-02T03:04:05Z"
ASKED = {
    **dict.fromkeys(("u-oldest", "u-newest", "u-pick", "u-none", "u-lead"), "match.several"),
    "u-ek": "cluster.last_names_differ", "u-berg": "cluster.last_names_differ", "u-maiden": "cluster.last_names_differ",
    "u-married": "cluster.last_names_differ", "u-info": "email.role_address", "u-sales": "email.role_address",
    "u-blank": "split.review", "u-twin": "parent.held",
}  # fmt: skip


def folder(path):
    people = [user(f"u-{n}", f"p{n}@gmail.com") for n in range(2)]
    people += [user(f"u-{name}", f"{name}@gmail.com", jobTitle="Clerk") for name in ("oldest", "newest", "pick", "none")]
    people += [user("u-lead", "lead@gmail.com", "lead", jobTitle="Clerk")]
    people += [user("u-ek", "ek.berg@gmail.com", lastName="Ek"), user("u-berg", "ek.berg@gmail.com", lastName="Berg")]
    people += [user("u-maiden", "ada@gmail.com", lastName="Byron", profileUpdatedAt="2024-01-01 00:00:00 +00:00")]
    people += [user("u-married", "ada@gmail.com", lastName="Lovelace")]
    people += [user("u-info", "info@freshfield.example"), user("u-sales", "sales@freshfield.example"), user("u-blank", "b@gmail.com", " ")]
    people += [user("u-twin", "t@twinning.example", emailListIds=[2])]
    names = ("oldest", "newest", "pick", "none")
    there = [contact(10 + n, f"{name}@gmail.com", createdon=OLD) for n, name in enumerate(names)]
    states = {"none": {"statecode": 1, "statuscode": 2}}
    there += [contact(20 + n, f"{name}@gmail.com", createdon=LATE, modifiedon=LATE, **states.get(name, {})) for n, name in enumerate(names)]
    rows = {
        "businessunit": [{"businessunitid": UNIT, "name": "Corp", "isdisabled": False}],
        "systemuser": [colleague(BO, "bo@corp.example")],
        "contact": there,
        "lead": [lead(31, "lead@gmail.com"), lead(32, "lead@gmail.com")],
        "account": [account(41, "Twinning"), account(42, "TWINNING")],
    }
    lists = [organisation_list(2, "Company: Twinning")]
    return folders.write(path, people, lists=lists, rows={f"dataverse/{table}": some for table, some in rows.items()})


def group_of(run, code, name="user", table="contact"):
    """The one group of an object's records with this code, in the table that was decided for them."""
    [found] = [one for one in asking.asked(run) if (one.code, one.object_name) == (code, name) and table in (None, one.table)]
    return found


def answer_all(run, cast, group, choice):
    return remedying.give(run, remedying.for_group(run, group, choice), user=cast.engineer, subject=remedying.subject_of(run, group))


def answer(run, cast, group, **by_record):
    """by_record: record -> an answer as a form has it."""
    entries = {entry.source_id: entry.pk for entry in groups.entries(run, [group.place])}
    given = {f"{asking.FIELD}{entries[name]}": text for name, text in by_record.items()}
    return remedying.answer(run, group, asking.answers(given), user=cast.engineer)


def signed_in(person):
    client = Client()
    client.force_login(person)
    return client


def answered_on(page, person, run, group, by_record):
    """What the page showed, and what it said when it was sent with answers of single records."""
    client, entries = signed_in(person), {entry.source_id: entry.pk for entry in groups.entries(run, [group.place])}
    shown = client.get(page).content.decode()
    sent_back = {"each": "1", "comment": "By telephone", **{f"{asking.FIELD}{entries[name]}": text for name, text in by_record.items()}}
    return shown, client.post(page, sent_back, follow=True).content.decode()


def answered_by_workers(engagement, cast, run, group, choice):
    """What the page said, and the step, of one answer for all records of a group, where that are too many for a web request."""
    page, asked_at = reverse("portal:held_group", args=[engagement.slug, group.key]), timezone.now()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remedying, "AT_ONCE", 3)
        patch.setattr(remedying, "TOGETHER", 3)
        said = signed_in(cast.approver).post(page, {"choice": choice, "comment": "As agreed"}, follow=True).content.decode()
    values = dict(Remedy.objects.values_list("source_id", "value"))
    other, same = (remedying.some_of_group(run, group, rule, "", after=0).given for rule in ("newest", choice))
    counts = [remedying.keep(run, some, by="later", but_since=asked_at) for some in (other, same)]
    return said, Step.objects.get(name=Step.Name.ANSWER), values, counts


@pytest.fixture(scope="module")
def answered(held):
    return play(held, held.cast)


def play(prepared, cast):
    engagement, first = prepared.engagement, prepared.run
    found = SimpleNamespace(engagement=engagement, first=first, cast=cast)
    held = LedgerEntry.objects.filter(run=first, object_name="user")
    found.asked = {entry.source_id: entry.code for entry in held if entry.source_id in ASKED}
    contacts, leads, companies = (
        group_of(first, "match.several", *place) for place in (("user", "contact"), ("user", "lead"), ("company", "account"))
    )
    entry = groups.entries(first, [contacts.place]).get(source_id="u-pick")
    front = reverse("portal:overview", args=[engagement.slug])
    found.waiting = sum(group.records for group in asking.asked(first))
    found.fronts = [signed_in(person).get(front).content.decode() for person in (cast.approver, cast.engineer)]
    found.figures = {label: count for label, count, _ in cockpit.figures(engagement)}
    found.rows = candidates.of(first, [entry])[entry.pk]
    found.source = candidates.at_the_source(first, [entry])[entry.pk]
    found.refusals = {
        "all one row": refused(lambda: answer_all(first, cast, contacts, "row")),
        "another's row": refused(lambda: answer(first, cast, contacts, **{"u-pick": f"row:contact:{row_id(10)}"})),
        "no answer": refused(lambda: answer(first, cast, contacts)),
    }
    before = plan.current(engagement)["quality"].sha256
    found.many = answered_by_workers(engagement, cast, first, contacts, "oldest")
    desk = reverse("admin:reports_exceptions_group", args=[first.pk, contacts.key])
    picks = {"u-newest": f"row:contact:{row_id(21)}", "u-pick": f"row:contact:{row_id(22)}", "u-none": "new"}
    found.desk = answered_on(desk, cast.engineer, first, contacts, picks)
    portal = reverse("portal:held_group", args=[engagement.slug, companies.key])
    found.engineer = signed_in(cast.engineer).post(portal, {"choice": "newest"}).status_code
    found.portal = answered_on(portal, cast.approver, first, companies, {"list:2": f"row:account:{row_id(42)}"})
    found.left = asking.waiting(first)
    found.fronts.append(signed_in(cast.approver).get(front).content.decode())
    found.listing = signed_in(cast.approver).get(reverse("portal:held", args=[engagement.slug])).content.decode()
    book = sent(first, {"u-lead": {"remedy": "load into this row", "new value": row_id(32)}})
    exceptions.apply(book, user=cast.engineer, shown=exceptions.read(book).digest)
    found.of_rows = plan.current(engagement)["quality"].sha256 == before
    found.outdated = quality.is_outdated(first)
    names = group_of(first, "cluster.last_names_differ")
    answer_all(first, cast, names, "several")
    answer(first, cast, names, **{"u-maiden": "one", "u-married": "one"})
    answer(first, cast, group_of(first, "email.role_address"), **{"u-info": "lead", "u-sales": "matrix"})
    answer_all(first, cast, group_of(first, "split.review", table=""), "contact")
    found.again = prepared.finish(open_quietly(first, asking.asked(first), cast))
    found.played = collect(engagement, prepared.servers)
    found.told = {name: lookup(found.again, "user", name)[0] for name in ASKED}
    remedying.take_back(first, group_of(first, "email.role_address"), user=cast.engineer)
    found.whole = prepared.finish(prepared.open())
    found.after = collect(engagement, prepared.servers)
    found.role = {name: lookup(found.whole, "user", name)[0]["disposition"] for name in ("u-info", "u-sales", "u-pick")}
    return found


def contact_of(answered, name):
    return answered.played.row("contact", f"user:{name}", "sandbox")


def test_staging_holds_each_for_its_question(answered):
    assert answered.asked == ASKED


def test_the_rows_that_fit_stand_beside_what_the_source_says(answered):
    assert [(row.row_id, row.name, row.email, row.owner, row.created_on) for row in answered.rows] == [
        (row_id(12), "Original", "pick@gmail.com", "bo@corp.example", OLD),
        (row_id(22), "Original", "pick@gmail.com", "bo@corp.example", LATE),
    ]
    assert answered.rows[0].page.endswith(f"/main.aspx?etn=contact&pagetype=entityrecord&id={row_id(12)}")
    assert "Mara" in answered.source
    assert "pick@gmail.com" in answered.source


def test_the_portals_front_page_says_to_who_answers_how_many_records_wait(answered):
    before, of_engineer, after = answered.fronts
    assert f"{answered.waiting} held records wait for your answer." in before
    assert "held records wait" not in of_engineer
    assert answered.figures["held records without an answer"] == answered.waiting
    assert 0 < answered.left < answered.waiting
    assert f"{answered.left} held records wait for your answer." in after


def test_the_pages_show_the_rows_side_by_side_and_take_an_answer_for_each_record(answered):
    shown, said = answered.desk
    assert all(words in shown for words in (f"row:contact:{row_id(12)}", "pick@gmail.com", "Owner bo@corp.example", "Created 2018-01-02"))
    assert (shown.count("main.aspx?etn=contact"), shown.count("<strong>Inactive</strong>")) == (8, 1)
    assert "3 records have an answer" in said
    shown, said = answered.portal
    assert all(
        words in shown
        for words in ("TWINNING", f"row:account:{row_id(41)}", "Twinning, twinning.example", "for the sandbox environment alone")
    )
    assert "1 record has an answer" in said
    assert answered.engineer == 403
    assert "Answered" in answered.listing


def test_workers_give_one_answer_to_the_records_of_a_large_group_some_at_a_time(answered):
    said, step, values, counts = answered.many
    assert counts == [0, 4]  # of records that were answered about since: otherwise, or as a killed worker did
    assert "4 records get this answer, so many at a time." in said
    assert (step.state, step.progress, step.kept["seen"]) == ("done", "4 records have it", 4)
    assert values == {f"u-{name}": f"contact:{row_id(10 + n)}" for n, name in enumerate(("oldest", "newest", "pick", "none"))}
    entry = AuditEntry.objects.filter(engagement=answered.engagement, action="gave remedies").order_by("number").first()
    assert (entry.detail["remedies"], entry.detail["comment"]) == ({"row": 4}, "As agreed")


def test_an_answer_that_cannot_be_is_refused(answered):
    assert answered.refusals == {
        "all one row": "The records can't all be one row.",
        "another's row": "No row of that id fits u-pick.",
        "no answer": "No record has a new answer.",
    }


def test_a_field_that_can_name_no_record_is_no_answer():
    fields = {"7": "row:contact:1", "9" * 5_000: "row:contact:1", "9" * 19: "row:contact:1", "x": "row:contact:1", "8": ""}
    assert asking.answers({f"{asking.FIELD}{name}": text for name, text in fields.items()}) == {7: ("row", "contact:1")}


@pytest.mark.parametrize(("name", "number"), [("u-oldest", 10), ("u-newest", 21), ("u-pick", 22)])
def test_a_record_fills_the_row_that_was_named_for_it_or_picked_by_a_rule(answered, name, number):
    row = contact_of(answered, name)
    assert (row["contactid"], row["jobtitle"], row["lastname"]) == (row_id(number), "Clerk", "Original")


def test_a_record_gets_a_row_of_its_own_where_none_of_those_is_its(answered):
    row = contact_of(answered, "u-none")
    assert (row["lastname"], row["emailaddress1"]) == ("Lind", "none@gmail.com")
    assert row["contactid"] not in (row_id(13), row_id(23))


def test_a_row_named_in_a_workbook_is_filled(answered):
    row = answered.played.row("lead", "user:u-lead", "sandbox")
    assert (row["leadid"], row["jobtitle"], row["subject"]) == (row_id(32), "Clerk", "Old topic")


def test_a_company_gets_its_account_and_its_people_with_it(answered):
    found = answered.played.row("account", "company:list:2", "sandbox")["accountid"]
    assert found == row_id(42)
    assert contact_of(answered, "u-twin")["_parentcustomerid_value"] == found


def test_several_people_of_one_address_get_a_row_each_and_one_person_one(answered):
    assert [contact_of(answered, name)["lastname"] for name in ("u-ek", "u-berg", "u-married")] == ["Ek", "Berg", "Lovelace"]
    assert contact_of(answered, "u-ek")["contactid"] != contact_of(answered, "u-berg")["contactid"]
    assert (answered.told["u-maiden"]["disposition"], answered.told["u-maiden"]["into"]) == ("merged", "u-married")


def test_who_was_left_to_somebody_is_the_lead_or_contact_that_they_said(answered):
    assert answered.played.row("lead", "user:u-info", "sandbox")["emailaddress1"] == "info@freshfield.example"
    assert [contact_of(answered, name)["emailaddress1"] for name in ("u-sales", "u-blank")] == ["sales@freshfield.example", "b@gmail.com"]


def test_the_re_run_sends_these_alone_and_balances(answered):
    assert (answered.again.state, answered.again.message) == (Run.State.DONE, "")
    assert all(phase.balanced for phase in answered.again.phases.all())
    assert answered.played.row("contact", "user:u-0", "sandbox")["mwb_runid"] == answered.first.key
    assert not LedgerEntry.objects.filter(run=answered.again, object_name="user", source_id__in=ASKED).exists()


def test_answers_about_rows_are_of_their_environment_and_need_no_signature(answered):
    assert answered.of_rows
    assert answered.outdated
    known = dict(Remedy.objects.filter(source_id__in=("u-pick", "u-blank")).values_list("source_id", "environment"))
    assert known == {"u-pick": "sandbox", "u-blank": ""}
    content = plan.current(answered.engagement)["quality"].content
    assert {one["choice"] for one in content["remedies"]} == {"one", "several", "contact"}


def test_answers_hold_for_every_later_run_but_those_that_were_taken_back(answered):
    tables = ("contact", "lead", "account")
    rows = [{row[f"{table}id"] for row in one.rows(table, "sandbox")} for one in (answered.played, answered.after) for table in tables]
    assert rows[:3] == rows[3:]
    held = LedgerEntry.objects.filter(run=answered.whole, object_name="user", source_id__in=ASKED).values_list("source_id", "code")
    assert set(held) == {(name, "email.role_address") for name in ("u-info", "u-sales")}
    assert sum(phase.created + phase.updated for phase in answered.whole.phases.all()) == 0


def test_an_answer_can_be_taken_back_and_each_is_in_the_history(answered):
    assert answered.role == {"u-info": "held", "u-sales": "held", "u-pick": "loaded"}
    actions = list(AuditEntry.objects.filter(engagement=answered.engagement).values_list("action", flat=True))
    assert (actions.count("gave remedies"), actions.count("took remedies back")) == (8, 1)
    entry = AuditEntry.objects.filter(engagement=answered.engagement, action="gave remedies").first()
    assert entry.detail["environment"] == "sandbox"
