"""Answers to owners: checked against the environments before they are kept, signed where a disabled user owns, and taken back."""

import pytest

from mapping import plan
from mapping.models import ObjectMap, OwnerMatch
from mapping.owners import answers, checks
from mapping.owners.answers import Answer, MustBeSigned, OwnerDoesNotFit, ScopeChanged
from mapping.owners.matching import candidates
from mapping.owners.models import ACTIVITIES, OwnerAnswer
from tests.owners.directory import known, team, user
from tests.pages import cast
from workbench.engagements import gates
from workbench.engagements.models import AuditEntry

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SALES = team("Sales")
ADA = user("ada@northwind.test", "NW\\ada")
DORA = user("dora@northwind.test", disabled=True)
NO_ROLE = user("nora@northwind.test", unread=["contact"])
ELSEWHERE = user("elsa@northwind.test", unit="Contoso", unit_fits=False)
ROBOT = user("robot@northwind.test", barred="It is an application or support user.")
TWINS = [user("eva@northwind.test", "NW\\eva"), user("EVA@northwind.test", "NW\\eva2")]


@pytest.fixture
def northwind():
    engagement = cast.make_engagement("Northwind")
    ObjectMap.objects.create(engagement=engagement, object_name="user", tables=["account", "contact", "task"])
    for kind in ("production", "sandbox"):
        known(
            engagement, kind, SALES, ADA, DORA, NO_ROLE, ELSEWHERE, ROBOT, *TWINS, team("Readers of tasks", unread=["account", "contact"])
        )
    for owner, records in (("", 5), (ACTIVITIES, 9), ("ada@northwind.test", 3), ("gone@northwind.test", 2), ("eva@northwind.test", 1)):
        OwnerMatch.objects.create(engagement=engagement, source_owner=owner, records=records)
    return engagement


@pytest.fixture
def people(northwind):
    return cast.make_cast(northwind)


def give(northwind, people, owner, kind, name, **options):
    by = options.pop("by", people.admin)
    return answers.give(
        northwind, OwnerMatch.objects.filter(source_owner=owner), Answer(kind, name, options.pop("note", "")), by=by, **options
    )


def match(owner) -> OwnerMatch:
    return OwnerMatch.objects.get(source_owner=owner)


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("user", "nobody@northwind.test", "No user has this e-mail or domain name."),
        ("user", "dora@northwind.test", "The user is disabled."),
        ("user", "robot@northwind.test", "an application or support user"),
        ("user", "nora@northwind.test", "roles don't read contact"),
        ("successor", "elsa@northwind.test", "in the business unit Contoso, outside"),
        ("user", "eva@northwind.test", "2 enabled users have this name"),
        ("team", "Nobody's", "No team has this name"),
        ("team", "Readers of tasks", "roles don't read account, contact"),
    ],
)
def test_an_answer_that_can_not_own_the_rows_in_production_is_refused_with_the_reason(northwind, people, kind, name, says):
    with pytest.raises(OwnerDoesNotFit, match=says) as refused:
        give(northwind, people, "gone@northwind.test", kind, name)
    assert "in production" in str(refused.value)
    assert refused.value.remedy
    assert (match("gone@northwind.test").kind, OwnerAnswer.objects.count()) == ("open", 0)


def test_an_answer_is_kept_with_who_gave_it_and_enters_the_plan(northwind, people):
    give(northwind, people, "gone@northwind.test", "successor", " NW\\EVA2 ", note="Took over the accounts.")
    kept = match("gone@northwind.test")
    assert (kept.state, kept.answer, kept.problems) == ("answered", "NW\\EVA2", {})
    assert plan.BUILDERS["owners"](northwind)["answers"]["gone@northwind.test"] == {"kind": "user", "name": "NW\\EVA2", "as": "successor"}
    (row,) = kept.answers.all()
    assert (row.before["kind"], row.after["answer"], row.given_by) == ("open", "NW\\EVA2", people.admin.username)
    assert AuditEntry.objects.get(action="answered owners").detail["first"] == ["gone@northwind.test"]


def test_a_user_whom_only_the_sandbox_lacks_is_no_problem_once_the_default_owner_stands_in(northwind, people):
    known(northwind, "sandbox", SALES)
    with pytest.raises(OwnerDoesNotFit, match="in sandbox"):
        give(northwind, people, "ada@northwind.test", "user", "ada@northwind.test")
    give(northwind, people, "", "team", "Sales")
    give(northwind, people, "ada@northwind.test", "user", "ada@northwind.test")
    assert match("ada@northwind.test").problems == {}
    with pytest.raises(OwnerDoesNotFit, match="in sandbox"):
        give(northwind, people, "", "user", "ada@northwind.test")


def test_a_disabled_user_owns_only_where_somebody_of_the_customer_signs_for_it(northwind, people):
    stub = ("gone@northwind.test", "stub", "dora@northwind.test")
    for refused in ({}, {"by": people.engineer, "signed": True}, {"by": people.viewer, "signed": True}):
        with pytest.raises(MustBeSigned):
            give(northwind, people, *stub, **refused)
    give(northwind, people, *stub, signed=True)
    assert match("gone@northwind.test").content() == {
        "kind": "user", "name": "dora@northwind.test", "as": "stub", "signed_by": people.admin.username,
    }  # fmt: skip


def test_activities_belong_to_an_owner_team_where_there_is_one_that_reads_them(northwind, people):
    with pytest.raises(OwnerDoesNotFit, match="never to a seller"):
        give(northwind, people, ACTIVITIES, "user", "ada@northwind.test")
    give(northwind, people, ACTIVITIES, "team", "Readers of tasks")
    assert match(ACTIVITIES).state == "answered"
    for kind in ("production", "sandbox"):
        known(northwind, kind, ADA)
    give(northwind, people, ACTIVITIES, "user", "ada@northwind.test")
    assert (match(ACTIVITIES).shown, match(ACTIVITIES).content()) == (
        "Activities (migration team)", {"kind": "user", "name": "ada@northwind.test"},
    )  # fmt: skip


def test_only_the_owners_that_the_page_showed_are_answered_and_a_batch_is_taken_back_as_one(northwind, people):
    chosen = OwnerMatch.objects.filter(source_owner__in=["gone@northwind.test", "eva@northwind.test"])
    shown = answers.scope(chosen)
    assert (len(shown.matches), shown.records, shown.answered) == (2, 3, 0)
    batch = answers.give(northwind, chosen, Answer("team", "Sales"), by=people.admin, shown=shown.digest)
    with pytest.raises(ScopeChanged):
        answers.give(northwind, chosen, Answer("team", "Sales"), by=people.admin, shown=shown.digest)
    give(northwind, people, "eva@northwind.test", "user", "NW\\eva")
    assert answers.take_back(northwind, batch, by=people.admin) == (1, 1)
    assert [match(owner).kind for owner in ("gone@northwind.test", "eva@northwind.test")] == ["open", "user"]
    assert AuditEntry.objects.filter(action="took back owners' answers").count() == 1


def test_discovery_answers_who_is_plainly_one_user_and_leaves_the_others_open(northwind):
    assert checks.answer_by_name(northwind, candidates(northwind.environments.get(kind="production"))) == 1
    assert {one.source_owner for one in OwnerMatch.objects.exclude(kind="open")} == {"ada@northwind.test"}
    assert match("ada@northwind.test").answer == "ada@northwind.test"


def test_an_answer_that_no_longer_holds_keeps_the_load_closed_and_says_where(northwind, people):
    for owner in ("", ACTIVITIES, "gone@northwind.test", "eva@northwind.test"):
        give(northwind, people, owner, "team", "Sales")
    give(northwind, people, "ada@northwind.test", "user", "ada@northwind.test")
    production = known(northwind, "production", SALES, {**ADA, "disabled": True})
    assert checks.refresh(northwind) == 1
    assert list(OwnerMatch.objects.in_state("problem")) == [match("ada@northwind.test")]
    said = [one.says for one in gates.missing("load", northwind, production) if one.gate == "owners answered"]
    assert said == ["The answer for the source owner ada@northwind.test can't own rows in production: The user is disabled."]


def test_the_tables_that_owners_must_read_follow_from_the_confirmed_objects(northwind):
    ObjectMap.objects.create(engagement=northwind, object_name="company", tables=["account"], confirmed=True)
    production = candidates(northwind.environments.get(kind="production"))
    assert production.tables == {"account"}
    assert production.find("user", "nora@northwind.test").problem == ""
