"""The quiet load: what would be set off is found, decided, left out by headers or switched off, and put back."""

import uuid

import pytest
from django.contrib.auth.models import User

from loads.destination import Destination
from mapping import quiet
from mapping.checks import gating, switching
from mapping.checks.deciding import decide, proposals
from mapping.models import DiscoveryFinding
from tests.checks.looking import look
from workbench.engagements import gates
from workbench.engagements.models import AuditEntry

pytestmark = pytest.mark.django_db


def approver():
    return User.objects.get(username="approver")


def answer(environment, choice=None, **which):
    rows = DiscoveryFinding.objects.filter(environment=environment, asks=True, **which)
    for _, proposed, ids in proposals(rows):
        decide(rows.filter(pk__in=ids), choice or proposed, user=approver())


def create_lead(environment):
    values = {"leadid": str(uuid.uuid4()), "lastname": "Lovelace", "subject": "Engines", "address1_postalcode": "50667"}
    Destination(environment).client.create_multiple("lead", "leads", [values])
    return values["leadid"]


def test_what_a_row_would_set_off_is_found_and_nothing_else(production):
    found = look(production)
    named = {key.partition(":")[2] for key in found if key.startswith("quiet_")}
    assert {
        "HaldenVoss.Crm.Plugins.LeadScoring: Create of lead",
        "ERP order bus: Update of account",
        "Welcome e-mail to new leads (lead)",
        "Mobile number needed for SMS (lead)",
        "Tell the seller in Teams about a new lead (lead)",
        "First contact within four hours (lead)",
        "Leads with the same e-mail address",
        "DACH leads to Inside Sales",
        "New webinar leads",
        "Welcome a new contact",
    } <= named
    left_out = ("LegacyFaxExport", "LeadSharedSecurity", "TaskReminder", "Clean up", "Birthday", "Show partner", "Quote approval", "draft")
    assert not [name for name in named if any(word in name for word in left_out)]
    assert "4 mailboxes" in found["quiet_synchronisation:"].evidence
    assert found["quiet_auditing:"].facts["audited"] == ["account", "contact", "lead"]


def test_a_check_that_lacks_a_privilege_is_a_finding_and_the_others_go_on(production, lacking):
    look(production)
    answer(production)
    lacking("prvReadSLA")
    found = look(production)
    said = found["quiet_slas.not_done:"]
    assert (said.severity, said.asks) == ("warning", True)
    assert "prvReadSLA" in said.remedy
    assert found["quiet_slas:First contact within four hours (lead)"].decision == "off"
    assert found["quiet_sequences:New webinar leads"].decision == "off"
    assert any("not looked at" in words for words, _ in gating.undecided("load", production.engagement, production))


def test_production_waits_for_the_decisions_and_for_what_is_to_be_off(production):
    look(production)
    words = " ".join(said for said, _ in gating.undecided("load", production.engagement, production))
    assert "Plug-in steps: " in words
    assert "undecided" in words
    answer(production)
    words = [said for said, _ in gating.to_do("load", production.engagement, production)]
    assert len(words) == 6
    assert all("still to do (off for the window)" in said for said in words)
    came = switching.switch_off(production, actor="engineer")
    assert (len(came.done), came.by_hand, came.refused) == (7, [], {})
    assert list(gating.to_do("load", production.engagement, production)) == []
    found = look(production)  # off is what a new look finds, too
    assert found["quiet_slas:First contact within four hours (lead)"].gone_at
    came = switching.put_back(production, actor="engineer")
    assert len(came.done) == 7
    assert look(production)["quiet_slas:First contact within four hours (lead)"].gone_at is None
    actions = AuditEntry.objects.filter(engagement=production.engagement).values_list("action", flat=True)
    assert {"switched off", "put back"} <= set(actions)


def test_what_is_bypassed_does_not_run_and_what_may_run_runs_alone(production, fired):
    look(production)
    answer(production)
    switching.switch_off(production, actor="engineer")
    create_lead(production)
    assert fired() == {}
    answer(production, "run", subject__contains="LeadScoring")
    answer(production, "off", check_name="quiet_workflows", subject__contains="(lead)")
    switching.switch_off(production, actor="engineer")
    create_lead(production)
    assert fired() == {"step: HaldenVoss.Crm.Plugins.LeadScoring: Create of lead": 1}
    switching.put_back(production, actor="engineer")


def test_decisions_that_no_header_can_carry_out_close_production_in_words(production):
    look(production)
    answer(production)
    answer(production, "run", subject__contains="LeadScoring")
    said = [one.says for one in gates.missing("load", production.engagement, production) if one.gate == "quiet load adds up"]
    assert len(said) == 1
    assert said[0].startswith("leads: No header leaves out a workflow while other logic of its kind runs")
    assert "Welcome e-mail to new leads (lead)" in said[0]
    assert quiet.quiet_by_path(production)("leads(1)")[quiet.LOGIC] == "CustomSync,CustomAsync"


def test_a_row_that_can_not_be_switched_is_told_with_the_services_words(production):
    look(production)
    answer(production)
    finding = DiscoveryFinding.objects.get(environment=production, check_name="quiet_slas")
    finding.facts["switch"][0]["id"] = str(uuid.uuid4())
    finding.save()
    came = switching.switch_off(production, actor="engineer")
    assert list(came.refused) == [finding.key]
    assert "Does Not Exist" in came.refused[finding.key]
    finding.refresh_from_db()
    assert finding.off_at is None
    switching.put_back(production, actor="engineer")


def test_a_flow_is_switched_by_hand_and_a_person_says_so(production):
    look(production)
    answer(production, "off", check_name="quiet_flows")
    came = switching.switch_off(production, actor="engineer")
    assert (came.done, len(came.by_hand)) == ([], 3)
    assert switching.note(came.by_hand, "off", actor="approver") == 3
    assert not [said for said, _ in gating.to_do("load", production.engagement, production) if said.startswith("Cloud flows")]
