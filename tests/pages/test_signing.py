"""The two signatures in the portal: what was shown is what is signed, by whom it may be signed."""

import pytest

from mapping import plan
from mapping.models import SplitRule
from tests.pages import cast
from workbench.engagements import gates
from workbench.engagements.models import SignOff

pytestmark = pytest.mark.django_db
MATRIX, SANDBOX = "/engagements/northwind/matrix/", "/engagements/northwind/sandbox/"


@pytest.fixture
def discovered(northwind):
    people = [cast.person(n, stage) for n, stage in enumerate(["customer", "customer", "subscriber", None, "<i>odd</i>"])]
    cast.make_discovered(northwind, people, [{"id": 7, "name": "Company: Analytical Engines"}])
    return northwind


@pytest.fixture
def approver(discovered, people, as_user):
    return as_user(people.approver)


def shown(client, page=MATRIX) -> str:
    return client.get(page).context["sha256"]


def sign(client, page=MATRIX, **changes):
    data = {"shown_sha256": changes.pop("sha256", None) or shown(client, page), "read": "on", "note": "Agreed."} | changes
    return client.post(page, data)


def edit_matrix(engagement, outcome="skip"):
    SplitRule.objects.filter(engagement=engagement, stage="customer").update(outcome=outcome)
    plan.revise(engagement, ["split"], actor="engineer")


def test_the_matrix_is_shown_with_counts_samples_versions_and_hash(approver):
    answer = approver.get(MATRIX)
    text = answer.content.decode()
    for expected in (
        "Ada0 Lovelace0",
        "ada0@customer-0.test",
        "(blank)",
        "split version",
        answer.context["sha256"],
        "&lt;i&gt;odd&lt;/i&gt;",
    ):
        assert expected in text, expected
    assert not cast.INLINE_CODE.search(text)
    assert {group["label"]: group["count"] for group in answer.context["groups"]} == {"Lead": 1, "Contact": 2, "Held for review": 2}


def test_signing_the_matrix_opens_the_gate_and_keeps_what_was_shown(approver, discovered, people):
    content = approver.get(MATRIX).context["content"]
    assert sign(approver).status_code == 302
    signoff = SignOff.objects.get()
    assert (signoff.signed_by, signoff.content, signoff.note, signoff.address) == (people.approver, content, "Agreed.", "127.0.0.1")
    assert set(signoff.covers) == {"split", "companies"}
    assert gates.missing("extract", discovered) == []
    text = approver.get(MATRIX).content.decode()
    assert "nothing that it covers has changed since" in text
    assert '<button class="button">' not in text


def test_what_changed_behind_the_page_is_not_signed_and_the_remedy_is_shown(approver, discovered):
    old = shown(approver)
    edit_matrix(discovered)
    answer = sign(approver, sha256=old)
    assert answer.status_code == 409
    assert "Read the page again" in answer.content.decode()
    assert not SignOff.objects.exists()


def test_an_edit_that_is_no_version_yet_can_not_be_signed(approver, discovered):
    SplitRule.objects.filter(engagement=discovered, stage="customer").update(outcome="skip")
    assert "The engineer is editing this plan" in approver.get(MATRIX).content.decode()
    assert sign(approver).status_code == 409
    assert not SignOff.objects.exists()


def test_a_change_after_the_signature_is_shown_and_asks_for_a_new_one(approver, discovered):
    sign(approver)
    edit_matrix(discovered)
    answer = approver.get(MATRIX)
    assert "Changed after it was signed" in answer.content.decode()
    assert answer.context["differences"] == [{"stage": "customer", "was": "Contact", "now": "Left out"}]
    assert [item.says for item in gates.missing("extract", discovered)] == [
        "Changed after the matrix was signed: split. It needs a new signature."
    ]
    assert sign(approver).status_code == 302
    assert gates.missing("extract", discovered) == []


@pytest.mark.parametrize("role", ["engineer", "viewer", "admin"])
def test_nobody_but_the_approver_signs(discovered, people, as_user, role):
    client = as_user(getattr(people, role))
    assert '<button class="button">' not in client.get(MATRIX).content.decode()
    assert sign(client).status_code == 403
    assert not SignOff.objects.exists()


@pytest.mark.parametrize("broken", [{"read": ""}, {"sha256": "nonsense"}, {"note": "x" * 2001}])
def test_a_signature_without_the_tick_the_hash_or_with_a_novel_is_refused(approver, broken):
    assert sign(approver, **broken).status_code == 400
    assert not SignOff.objects.exists()


def test_a_signature_needs_the_page_s_own_token(approver):
    approver.handler.enforce_csrf_checks = True
    assert sign(approver).status_code == 403
    assert not SignOff.objects.exists()


def test_before_discovery_there_is_nothing_to_sign(northwind, people, as_user):
    text = as_user(people.approver).get(MATRIX).content.decode()
    assert "nothing to sign yet" in text
    assert "An engineer starts the discovery" in text


class TestTheSandbox:
    @pytest.fixture
    def run(self, discovered, people):
        run = cast.make_run(discovered, people.engineer)
        cast.make_exception(run, "u-1")
        cast.make_verified(
            run, "u-2", "lossy", [{"column": "jobtitle", "source": "=1+1<b>", "meant": "x", "found": "x", "verdict": "lossy"}]
        )
        return run

    def test_the_page_shows_balance_exceptions_and_what_was_read_back(self, approver, run):
        text = approver.get(SANDBOX).content.decode()
        for expected in (run.key, "Every phase balances", "email.invalid", "=1+1&lt;b&gt;", "maps version"):
            assert expected in text, expected
        assert not cast.INLINE_CODE.search(text)

    def test_signing_covers_every_part_as_the_run_used_it(self, approver, discovered, run):
        assert sign(approver, SANDBOX).status_code == 302
        assert SignOff.objects.get(kind="sandbox").covers == run.parts
        production = discovered.environments.get(kind="production")
        assert "sandbox signed" not in {item.gate for item in gates.missing("load", discovered, production)}

    def test_a_plan_that_changed_after_the_run_has_to_run_again_first(self, approver, discovered, run):
        edit_matrix(discovered)
        assert "The sandbox has to run again" in approver.get(SANDBOX).content.decode()
        assert sign(approver, SANDBOX).status_code == 409

    def test_a_run_that_does_not_balance_says_so_first(self, approver, run):
        run.phases.filter(number=2).update(state="unbalanced")
        assert "Not every phase balances" in approver.get(SANDBOX).content.decode()

    def test_without_a_finished_run_there_is_nothing_to_sign(self, approver):
        assert "No sandbox run is done yet." in approver.get(SANDBOX).content.decode()
