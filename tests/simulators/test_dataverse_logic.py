"""The Dataverse simulator counts what a write would set off, as the headers leave it in."""

import pytest

from connectors.simulators.dataverse import logic
from connectors.simulators.dataverse.identifiers import stable_id
from connectors.simulators.dataverse.service import Service
from tests import simulated

APPLICATION = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    folder = simulated.world(tmp_path_factory.mktemp("world"), people=20)
    return Service(folder, sandbox=False, client_ids=[APPLICATION]).org


def fired(org, headers, table="lead", message="Create", changed=()):
    org.fired.clear()
    logic.fire(org, headers, table, message, changed)
    return set(org.fired)


SCORING, CHECKED = "step: HaldenVoss.Crm.Plugins.LeadScoring: Create of lead", "step: Adressio.Validate.AddressValidation: Create of lead"
MAILS, RULE, FLOW = (
    "workflow: Welcome e-mail to new leads",
    "rule: Mobile number needed for SMS",
    "flow: Tell the seller in Teams about a new lead",
)
REMINDS = "workflow: Remind owner after three days without contact"
EVERYTHING = {SCORING, CHECKED, MAILS, REMINDS, RULE, FLOW}


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, EVERYTHING),
        ({"mscrm.bypassbusinesslogicexecution": "CustomSync"}, EVERYTHING - {CHECKED}),
        ({"mscrm.bypassbusinesslogicexecution": "CustomSync,CustomAsync"}, {RULE, FLOW}),
        ({"mscrm.bypasscustompluginexecution": "true"}, EVERYTHING - {CHECKED}),
        ({"mscrm.suppresscallbackregistrationexpanderjob": "true"}, EVERYTHING - {FLOW}),
    ],
)
def test_headers_leave_out_what_they_are_for(org, headers, left):
    assert fired(org, headers) == left


def test_single_steps_are_left_out_by_their_ids(org):
    row_id = next(i for i, row in org.rows("sdkmessageprocessingstep").items() if "LeadScoring" in row["name"])
    assert fired(org, {"mscrm.bypassbusinesslogicexecutionstepids": row_id}) == EVERYTHING - {SCORING}


def test_an_update_sets_off_only_what_waits_for_its_columns(org):
    assert "step: HaldenVoss.Crm.Plugins.TerritoryByPostalCode: Update of lead" in fired(org, {}, "lead", "Update", ["address1_postalcode"])
    assert fired(org, {}, "lead", "Update", ["lastname"]) == {RULE}


def test_the_steps_of_a_world_stand_on_the_services_own_messages(org):
    row = next(row for row in org.rows("sdkmessageprocessingstep").values() if "LeadScoring" in row["name"])
    assert row["_sdkmessagefilterid_value"] == stable_id("production", "sdkmessagefilter", "Create", "lead")
    assert org.rows("sdkmessagefilter")[row["_sdkmessagefilterid_value"]]["primaryobjecttypecode"] == "lead"
