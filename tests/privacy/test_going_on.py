"""A purge or an erasure that was killed is gone on with by a second call; who may ask, and what keeps either from beginning."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from connectors import landing
from connectors.models import Dataset
from loads.models import LedgerEntry
from mapping.discovery.source import discover
from tests.pages import cast
from tests.privacy import looking
from workbench.engagements import gates, history
from workbench.engagements.models import AuditEntry, Role
from workbench.engagements.pseudonyms import pseudonyms_of
from workbench.hypercare.models import Ticket
from workbench.pipeline import leases
from workbench.pipeline.further import parts_of
from workbench.pipeline.leases import LEASE
from workbench.pipeline.models import Step
from workbench.pipeline.work import go_on, started
from workbench.privacy import erasing, purging
from workbench.privacy.models import Erasure, NotYours, Purge

pytestmark = [pytest.mark.database, pytest.mark.django_db]
ALL = [f"{name}{number}" for name in ("zdravka", "okafor") for number in range(1, 5)] + ["ada1@customer-1.test", "ada3@customer-3.test"]
FIRST = ["zdravka1", "okafor1", "ada1@customer-1.test", "u-1-again"]


def killed_after(step: Step, parts: int) -> None:
    """A worker does so many parts of a step, then dies without a word."""
    held = leases.take(step.pk, "a worker that dies")
    all_of_them = parts_of(step.name)(held)
    assert parts < len(all_of_them)
    go_on(started(held), all_of_them[:parts])
    Step.objects.filter(pk=step.pk).update(heartbeat_at=held.heartbeat_at - 2 * LEASE)


def purge(engagement, user) -> str:
    out = StringIO()
    call_command("purge_engagement", engagement.slug, yes=True, user=user.username, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("parts", [1, 4, 30, 60])
def test_a_purge_that_was_killed_is_ended_by_a_second_call(northwind, people, parts):
    run = cast.make_run(northwind, people.engineer)
    cast.make_exception(run, "ada3@customer-3.test")
    killed_after(purging.request(northwind, people.engineer), parts)
    said = purge(northwind, people.engineer)
    assert looking.found(ALL) == []
    assert "the history tells of it" in said
    assert list(history.breaks(northwind)) == []
    assert AuditEntry.objects.filter(engagement=northwind, action="purged engagement").count() == 1
    assert Purge.objects.get().counts["loads.LedgerEntry"] == 1
    assert LedgerEntry.objects.get(run=run).source_id == pseudonyms_of(northwind).of("ada3@customer-3.test")


@pytest.mark.parametrize("parts", [2, 5, 12, 20])
def test_an_erasure_that_was_killed_is_ended_by_a_second_call(northwind, people, parts):
    _, step = erasing.request(northwind, "u-1", people.engineer)
    killed_after(step, parts)
    call_command("erase_person", northwind.slug, id="u-1", user=people.engineer.username, stdout=StringIO())
    erasure = Erasure.objects.get()
    assert looking.found(FIRST) == []
    assert (erasure.finished_at is not None, erasure.sought) == (True, "")
    assert erasure.counts["records of user"] == 2
    assert any(line.endswith(": zdravka3") for line in looking.found(["zdravka3"]))
    assert list(history.breaks(northwind)) == []


def test_an_erased_person_is_not_landed_again_and_the_others_are(northwind, people):
    call_command("erase_person", northwind.slug, email="ADA1@customer-1.test", user=people.engineer.username, stdout=StringIO())
    source = cast.GivenSource([cast.person(n, firstName=f"Zdravka{n}") for n in range(1, 5)])
    discover(northwind, source, actor="discovery", progress=lambda words: None)
    landed = [row.source_id for row in landing.scan(landing.latest(northwind, "user", Dataset.Purpose.DISCOVERY))]
    assert landed == [pseudonyms_of(northwind).of("u-1"), "u-2", "u-3", "u-4"]
    assert looking.found(FIRST) == []


def test_a_name_that_nobody_has_goes_on_the_register_and_that_is_said(northwind, people):
    out = StringIO()
    call_command("erase_person", northwind.slug, id="u-nobody", user=people.engineer.username, stdout=out)
    assert "No trace was found; the name is on the register." in out.getvalue()


def test_what_goes_and_what_stays_is_shown_before_anything_is_done(northwind, people):
    out = StringIO()
    call_command("purge_engagement", northwind.slug, dry_run=True, user=people.engineer.username, stdout=out)
    assert "files Files in landed: Raw records of the source" in out.getvalue()
    assert "Nothing was done." in out.getvalue()
    assert looking.found(["okafor3"])


@pytest.mark.parametrize("role", ["approver", "viewer", "admin", "stranger"])
def test_only_engineers_of_the_engagement_purge_and_erase(northwind, people, role):
    user = cast.make_cast(cast.make_engagement("Contoso")).engineer if role == "stranger" else getattr(people, role)
    with pytest.raises(NotYours):
        purging.request(northwind, user)
    with pytest.raises(NotYours):
        erasing.request(northwind, "u-1", user)
    with pytest.raises(CommandError, match="isn't an engineer"):
        purge(northwind, user)


def test_production_is_handed_over_and_tickets_are_closed_before_a_purge(northwind, people):
    run = cast.make_run(northwind, people.engineer, kind="production")
    Ticket.objects.create(
        engagement=northwind, number=1, title="t", text="t", kind="other", raised_by=people.approver, due_at=run.created_at
    )
    Step.objects.create(engagement=northwind, name="documents", state="running", requested_by="ada", heartbeat_at=run.created_at)
    said = [one.says for one in gates.missing("purge", northwind)]
    assert said == [
        "Documents is under way: wait until it is done.",
        "What was loaded into production isn't handed over: hand it over, or take it back.",
        "Ticket 1 is open: its records could no longer be looked at.",
    ]
    assert {one.move for one in gates.missing("purge", northwind)} == {Role.ENGINEER}


def test_while_somebody_is_erased_nothing_is_read_or_loaded_and_nobody_else_is_erased(northwind, people):
    erasing.request(northwind, "u-1", people.engineer)
    assert [one.says for one in gates.missing("discover", northwind)] == [
        f"{Erasure.objects.get()} isn't finished: let it end, or ask for it again."
    ]
    with pytest.raises(erasing.ErasureOpen):
        erasing.request(northwind, "u-2", people.engineer)
