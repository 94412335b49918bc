"""Checks of the destination besides the quiet load: privileges, columns, edition, settings, drift."""

import orjson
import pytest
import requests

from connectors import store
from connectors.dataverse.client import Client
from connectors.dataverse.columns import TableSpec
from connectors.dataverse.metadata import create_table, ensure_solution
from mapping.checks import drift, environment
from mapping.checks.look import Look
from mapping.models import DiscoveryFinding, FieldMap, ObjectMap, SplitRule
from tests.checks.looking import look
from workbench.engagements import gates

pytestmark = pytest.mark.django_db


def mapped(engagement, table: str, column: str) -> None:
    FieldMap.objects.create(engagement=engagement, object_name="user", source=column, table=table, column=column)


def test_lacking_privileges_are_told_per_table_and_stop_where_loading_is_impossible(production, lacking):
    lacking("prvCreateLead", "prvAppendToLead", "prvDeleteContact", "prvBypassCustomBusinessLogic", "prvBulkDelete")
    found = look(production)
    assert (found["table_privileges:lead"].severity, found["table_privileges:lead"].evidence) == (
        "blocker",
        "On lead the user may not: create, appendto.",
    )
    assert found["table_privileges:contact delete"].severity == "warning"
    assert found["special_privileges:prvBypassCustomBusinessLogic"].severity == "blocker"
    assert found["special_privileges:prvBulkDelete"].severity == "warning"
    stopped = [one.says for one in gates.missing("load", production.engagement, production) if one.gate == "findings mended"]
    assert len(stopped) == 2
    lacking()
    assert "table_privileges:lead" not in look(production)


def test_a_planned_table_that_is_not_there_blocks_and_the_others_are_looked_at(production):
    ObjectMap.objects.create(engagement=production.engagement, object_name="ticket", tables=["incident"])
    found = look(production)
    assert found["tables:incident"].severity == "blocker"
    assert "account 1" in found["tables:"].evidence


def test_a_column_that_forms_demand_is_asked_about_until_a_field_is_mapped(production):
    assert look(production)["required_columns:contact.hv_customernumber"].asks
    mapped(production.engagement, "contact", "hv_customernumber")
    assert not [key for key in look(production) if key.startswith("required_columns")]


def test_a_secured_column_is_a_warning_where_a_field_goes_there(production):
    assert look(production)["secured_columns:"].evidence == "Secured, and no field goes there: contact.hv_taxid."
    mapped(production.engagement, "contact", "hv_taxid")
    assert look(production)["secured_columns:contact.hv_taxid"].severity == "warning"


def test_production_is_compared_with_the_sandbox(production, sandbox):
    assert look(production)["drift:"].evidence == "There is no sandbox to compare production with."
    mapped(production.engagement, "contact", "hv_nickname")
    look(sandbox)
    found = look(production)
    assert "hv_erpnumber: length 20 in the sandbox, 30 in production" in found["drift:columns of account"].evidence
    assert "Only in production: hv_taxid" in found["drift:columns of contact"].evidence
    assert "hv_region: options differ (only in production East)" in found["drift:columns of lead"].evidence
    assert "HaldenVossCore: 1.5.0.0 in the sandbox, 1.4.0.2 in production" in found["drift:solutions"].evidence
    assert "Only in the sandbox: HaldenVoss.Crm.Plugins.TraceEverything: Create of contact" in found["drift:what a row sets off"].evidence
    assert not DiscoveryFinding.objects.filter(environment=sandbox, check_name="drift").exists()


def test_a_mapped_column_that_only_the_sandbox_has_blocks_production(production, sandbox):
    look(sandbox)
    snapshot = orjson.loads(drift.path_of(sandbox).read_bytes())
    snapshot["columns"]["contact"]["hv_loyalty"] = snapshot["columns"]["contact"]["hv_customernumber"]
    store.write(drift.path_of(sandbox), orjson.dumps(snapshot))
    assert "drift:contact mapped columns" not in look(production)
    mapped(production.engagement, "contact", "hv_loyalty")
    assert look(production)["drift:contact mapped columns"].severity == "blocker"


@pytest.mark.parametrize(("name", "severity"), [("", None), ("enterprise", "info"), ("professional", "info")])
def test_the_edition_is_what_a_person_entered(production, name, severity):
    production.edition = name
    production.save()
    found = look(production)
    assert ("edition_entered:" in found) == (not name)
    if severity:
        assert found["edition:"].severity == severity
        assert "2 custom tables are there, the plan makes 0" in found["edition:"].evidence


def test_too_many_custom_tables_for_professional_are_the_approvers_to_answer(production):
    production.edition = "professional"
    production.save()
    tables = [f"mwb_table{n}" for n in range(14)]
    ObjectMap.objects.create(engagement=production.engagement, object_name="object", tables=tables)
    found = look(production)["edition:"]
    assert (found.severity, found.asks, found.choices) == ("warning", True, ["sign", "fewer"])
    assert "2 custom tables are there, the plan makes 14" in found.evidence
    assert "tables:mwb_table1" not in look(production)  # what the plan makes isn't missing


def test_licences_and_storage_that_nobody_entered_are_asked_for(production):
    assert "the licences, free database storage" in look(production)["capacity_entered:"].evidence
    production.licences, production.free_database_gb, production.free_file_gb, production.free_log_gb = 10, 1, 2, 3
    production.save()
    assert "capacity_entered:" not in look(production)


def test_price_settings_matter_where_deals_or_products_are_planned(production):
    assert not [key for key in look(production) if key.startswith("price_settings")]
    ObjectMap.objects.create(engagement=production.engagement, object_name="purchase", tables=["opportunity"])
    assert look(production)["price_settings:calculation"].evidence == "Dynamics adds up deals from their lines."


def test_the_round_trip_says_what_the_load_waits_for(production, monkeypatch):
    assert "ms there and back" in look(production)["latency:"].evidence
    SplitRule.objects.create(engagement=production.engagement, stage="customer", outcome="contact", observed=12_345)
    monkeypatch.setattr(environment, "FAR_MS", 0)
    found = look(production)["latency:"]
    assert (found.severity, found.remedy) == ("warning", "Run the workers on a machine in the environment's region.")
    assert "248 requests of 100 rows write and read back the plan's 12,345 rows" in found.evidence


def test_an_environment_with_many_tables_is_asked_as_little_as_one_with_few(sandbox, servers):
    def asked() -> dict[str, int]:
        with requests.Session() as session:
            session.trust_env = False
            session.post(f"{servers.dataverse_sandbox}/_simulator/stats", timeout=10)
            look(sandbox)
            return session.get(f"{servers.dataverse_sandbox}/_simulator/stats", timeout=10).json()["requests"]

    asked()  # the first look signs in
    few = asked()
    client = Client.from_connection(sandbox.connection)
    ensure_solution(client, "mwb_many", "Many", "mwb")
    for n in range(12):
        create_table(client, TableSpec(f"mwb_further{n}", f"Further {n}", f"Further {n}", "", f"mwb_name{n}"), "mwb_many")
    assert f"{len(Look(sandbox).there)} tables" in look(sandbox)["tables:"].evidence
    assert asked() == few
    assert sum(few.values()) < 100


def test_a_sandbox_that_is_the_organisation_of_production_under_another_name_keeps_both_from_being_written(production, sandbox):
    look(sandbox)
    assert "drift:one organisation" not in look(production)
    snapshot = orjson.loads(drift.path_of(sandbox).read_bytes())
    snapshot["organisation"] = orjson.loads(drift.path_of(production).read_bytes())["organisation"]
    store.write(drift.path_of(sandbox), orjson.dumps(snapshot))
    assert look(production)["drift:one organisation"].severity == "blocker"
    for place in (sandbox, production):
        assert "environments apart" in {one.gate for one in gates.missing("provision", production.engagement, place)}
