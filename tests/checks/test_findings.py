"""Findings are kept with their decisions; decisions belong to roles, close gates and stand in the history."""

import pytest

from connectors.base import Finding
from mapping.checks import deciding, gating, pitfalls, registry
from mapping.checks.deciding import MayNotDecide, decide
from mapping.checks.keeping import keep
from mapping.checks.registry import Check, Choice, Decision
from mapping.models import DiscoveryFinding, ObjectMap
from tests.pages import cast
from workbench.engagements import gates
from workbench.engagements.errors import BadInput
from workbench.engagements.models import AuditEntry, Role

pytestmark = [pytest.mark.django_db, pytest.mark.database]
CHOICES = (
    Choice("run", "Let it run", "It runs."),
    Choice("bypass", "Bypass it", "It is left out."),
    Choice("off", "Off for the window", "It is switched off.", holds=True),
)
BELLS = Check("bells", "Bells", "destination", "Test", "Bells.", Decision("Shall it ring?", CHOICES, Role.DYNAMICS_ADMIN, "bypass"))


@pytest.fixture(autouse=True)
def bells(monkeypatch):
    monkeypatch.setattr(registry, "_checks", {"bells": BELLS})


@pytest.fixture
def northwind():
    return cast.make_engagement("Northwind")


@pytest.fixture
def people(northwind):
    return cast.make_cast(northwind)


@pytest.fixture
def production(northwind):
    return northwind.environments.get(kind="production")


def bell(subject: str, **fields) -> Finding:
    return Finding("bells", fields.pop("severity", "warning"), f"{subject} rings.", subject=subject, **fields)


def found(northwind, environment, *findings, **fields):
    keep(northwind, environment, findings, actor="discovery", **fields)
    return {row.subject: row for row in DiscoveryFinding.objects.filter(engagement=northwind, environment=environment)}


def answer(people, rows, choice):
    return decide(DiscoveryFinding.objects.filter(pk__in=[row.pk for row in rows]), choice, user=people.admin, comment="agreed")


def test_a_new_discovery_keeps_a_decision_whose_basis_is_the_same(northwind, people, production):
    rows = found(northwind, production, bell("big", rests_on={"mode": "sync"}), bell("small", rests_on={"mode": "sync"}))
    answer(people, rows.values(), "bypass")
    rows = found(northwind, production, bell("big", rests_on={"mode": "sync"}, facts={"id": 2}), bell("small", rests_on={"mode": "async"}))
    assert (rows["big"].decision, rows["big"].facts, rows["big"].comment) == ("bypass", {"id": 2}, "agreed")
    assert (rows["small"].decision, rows["small"].decided_at) == ("", None)
    told = AuditEntry.objects.get(engagement=northwind, action="took decisions back")
    assert told.detail == {"lapsed": [{"finding": "bells:small", "decision": "bypass"}]}


def test_findings_of_a_check_that_could_not_be_carried_out_stay_as_they_were(northwind, people, production):
    answer(people, found(northwind, production, bell("big")).values(), "bypass")
    rows = found(northwind, production, Finding("bells.not_done", "warning", "No privilege."), unseen={"bells"})
    assert rows["big"].decision == "bypass"
    assert found(northwind, production).keys() == set()


def test_two_findings_about_one_subject_are_told_apart_and_long_subjects_keep_their_key(northwind, production):
    rows = found(northwind, production, bell("big"), bell("big"), bell("b" * 400), bell("c\x00d"))
    assert {"big", "big (2)", "c\ufffdd"} < rows.keys()
    assert max(len(row.key) for row in rows.values()) <= 200


def test_an_information_asks_nothing(northwind, production):
    rows = found(northwind, production, bell("big", severity="info"))
    assert not rows["big"].asks


def test_an_undecided_finding_closes_production_in_words_and_only_shows_in_the_sandbox(northwind, people, production):
    sandbox = northwind.environments.get(kind="sandbox")
    for environment in (sandbox, production):
        found(northwind, environment, bell("a"), bell("b"), bell("c"), bell("d"))
    said = list(gating.undecided("load", northwind, production))
    assert said == [("Bells: 4 undecided: a, b, c and 1 more. Shall it ring?", "dynamics_admin")]
    assert said[0][0] in [one.says for one in gates.missing("load", northwind, production)]
    assert list(gating.undecided("load", northwind, sandbox)) == []
    assert [len(rows) for _, rows in gating.waiting("load", northwind, sandbox, anyhow=True)] == [4]
    answer(people, DiscoveryFinding.objects.filter(environment=production), "run")
    assert list(gating.undecided("load", northwind, production)) == []


def test_what_is_to_be_off_keeps_production_closed_until_it_is_off_and_again_when_it_is_back(northwind, people, production):
    answer(people, found(northwind, production, bell("big")).values(), "off")
    assert list(gating.to_do("load", northwind, production)) == [
        (f"Bells: 1 still to do (off for the window): big. It is switched off. {gating.SWITCHING}", "engineer")
    ]
    row = found(northwind, production)["big"]  # a new look no longer finds it: it is off
    assert row.gone_at
    assert list(gating.to_do("load", northwind, production)) == []
    DiscoveryFinding.objects.update(off_at=row.gone_at)
    row = found(northwind, production, bell("big"))["big"]
    assert row.gone_at is None
    assert row.back_at
    assert len(list(gating.to_do("load", northwind, production))) == 1


def test_many_are_decided_at_once_with_one_entry_of_the_history_that_names_each(northwind, people, production):
    rows = found(northwind, production, *(bell(f"bell {n}") for n in range(30)))
    assert answer(people, rows.values(), "bypass") == 30
    assert answer(people, rows.values(), "bypass") == 0
    entry = AuditEntry.objects.get(engagement=northwind, action="decided bypass")
    assert (entry.actor, len(entry.detail["decided"]), entry.detail["comment"]) == (str(people.admin), 30, "agreed")


@pytest.mark.parametrize("name", ["engineer", "approver", "viewer"])
def test_a_decision_is_its_roles_alone(northwind, people, production, name):
    found(northwind, production, bell("big"))
    with pytest.raises(MayNotDecide, match="dynamics admin"):
        decide(DiscoveryFinding.objects.all(), "run", user=getattr(people, name))
    assert DiscoveryFinding.objects.get().decision == ""


def test_only_what_a_finding_offers_can_be_chosen(northwind, people, production):
    rows = found(northwind, production, bell("big", choices=["run", "off"]), bell("small"))
    with pytest.raises(BadInput):
        answer(people, rows.values(), "bypass")
    assert set(deciding.common(list(rows.values()))) == {"run", "off"}
    assert not DiscoveryFinding.objects.exclude(decision="").exists()


def test_pitfalls_are_notes_or_decisions_where_the_plan_meets_them(northwind):
    ObjectMap.objects.create(engagement=northwind, object_name="customEvent", tables=["task"])
    names = {finding.check for finding in pitfalls.findings(northwind)}
    assert {"dynamics.tasks_reach_outlook", "iterable.events_by_user", "iterable.late_rows"} <= names
    assert not {"dynamics.closed_deals", "iterable.metrics_lag"} & names


def test_the_registers_of_pitfalls_have_no_mistakes_and_say_all_of_those_in_a_wrong_one(monkeypatch, tmp_path):
    assert {check.name for check in pitfalls.checks()} > {"dynamics.inactive_owners", "dynamics.historic_exchange_rates"}
    wrong = '[[pitfalls]]\nname = "x"\ntitle = "X"\nsayz = "no"\nquestion = "?"\n'
    (tmp_path / "wrong.toml").write_text(wrong)
    monkeypatch.setattr(pitfalls, "FOLDER", tmp_path)
    with pytest.raises(BadInput) as error:
        pitfalls.read("wrong")
    assert all(word in str(error.value) for word in ("sayz", "no says", "who, default or choices"))
