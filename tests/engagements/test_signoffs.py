import pytest
from django.db import IntegrityError, transaction

from tests.pages import cast
from workbench.engagements import signoffs
from workbench.engagements.models import AuditEntry, SignOff
from workbench.engagements.signoffs import ChangedMeanwhile, MayNotSign, content_hash

pytestmark = [pytest.mark.django_db, pytest.mark.database]
CONTENT = {"rows": [{"stage": "customer", "outcome": "contact", "count": 2}]}
COVERS = {"split": {"version": 1, "sha256": "a" * 64}}


@pytest.fixture
def northwind():
    return cast.make_engagement("Northwind")


@pytest.fixture
def people(northwind):
    return cast.make_cast(northwind)


def sign(engagement, user, **changes):
    given = {"kind": "matrix", "covers": COVERS, "content": CONTENT, "shown_sha256": content_hash(CONTENT), "address": None, **changes}
    return signoffs.sign(engagement=engagement, user=user, **given)


def test_a_signature_keeps_what_was_shown_and_enters_the_history(northwind, people):
    signoff = sign(northwind, people.approver, note="Agreed.")
    assert (signoff.content, signoff.covers, signoff.note) == (CONTENT, COVERS, "Agreed.")
    entry = AuditEntry.objects.get(engagement=northwind)
    assert (entry.action, entry.actor, entry.detail["content_sha256"]) == ("signed matrix", str(people.approver), content_hash(CONTENT))


@pytest.mark.parametrize("role", ["engineer", "viewer", "admin"])
def test_only_an_approver_signs(northwind, people, role):
    with pytest.raises(MayNotSign):
        sign(northwind, getattr(people, role))
    assert not SignOff.objects.exists()


def test_an_approver_of_another_engagement_does_not_sign(northwind, people):
    with pytest.raises(MayNotSign):
        sign(cast.make_engagement("Contoso"), people.approver)


def test_what_changed_after_the_page_was_opened_is_not_signed(northwind, people):
    with pytest.raises(ChangedMeanwhile):
        sign(northwind, people.approver, content={"rows": []})
    assert not SignOff.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_signature_covers_a_part_while_its_hash_stays(northwind, people):
    assert signoffs.uncovered(northwind, "matrix", {"split": "a" * 64}) == ["split"]
    sign(northwind, people.approver)
    assert signoffs.uncovered(northwind, "matrix", {"split": "a" * 64}) == []
    assert signoffs.uncovered(northwind, "matrix", {"split": "b" * 64}) == ["split"]
    assert signoffs.uncovered(northwind, "sandbox", {"split": "a" * 64}) == ["split"]


def test_the_newest_signature_counts(northwind, people):
    sign(northwind, people.approver)
    sign(northwind, people.approver, covers={"split": {"version": 2, "sha256": "b" * 64}})
    assert signoffs.uncovered(northwind, "matrix", {"split": "a" * 64}) == ["split"]


def test_the_database_itself_refuses_to_change_a_signature(northwind, people):
    sign(northwind, people.approver)
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        SignOff.objects.update(note="forged")
