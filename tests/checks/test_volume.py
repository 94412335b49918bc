"""Forecasts of requests and storage: from discovery first, from the sandbox run's own rows after it."""

from decimal import Decimal

import orjson
import pytest

from connectors.models import Dataset
from loads import checks, staged
from loads.forecast import forecast
from mapping import counts, estimates
from mapping.models import DiscoveryFinding, ObjectMap
from tests.pages import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind():
    engagement = cast.make_engagement("Northwind")
    cast.make_planned(engagement, {"customer": "contact", "subscriber": "lead", "": "review"})
    engagement.split_rules.filter(stage="customer").update(observed=1_000)
    engagement.split_rules.filter(stage="subscriber").update(observed=3_000)
    return engagement


@pytest.fixture
def production(northwind):
    return northwind.environments.get(kind="production")


def event_map(engagement, count: int) -> None:
    ObjectMap.objects.create(engagement=engagement, object_name="customEvent", tables=["task"])
    Dataset.objects.create(engagement=engagement, object_name="customEvent", purpose="discovery", state="sealed", rows=count)


def lines(environment):
    return {(line.object_name, line.table): line for line in forecast(environment).lines}


def test_before_a_run_rows_come_from_the_split_and_from_what_was_counted(northwind, production):
    event_map(northwind, 500)
    found = lines(production)
    assert {key: line.rows for key, line in found.items()} == {
        ("user", "contact"): 1_000,
        ("user", "lead"): 3_000,
        ("customEvent", "task"): 500,
    }
    task = estimates.volume().size("task")
    assert found["customEvent", "task"].requests == 500 * task.requests
    assert found["customEvent", "task"].database == 500 * task.database
    assert not any(line.measured for line in found.values())


def test_the_full_extraction_counts_more_than_discovery_and_samples_count_by_their_counts(northwind):
    event_map(northwind, 10)
    assert counts.counts(northwind)["customEvent"] == counts.Count(10, "discovery")
    Dataset.objects.create(engagement=northwind, object_name="customEvent", purpose="load", state="sealed", rows=12)
    Dataset.objects.create(engagement=northwind, object_name="customEvent", purpose="discovery", state="sealed", rows=11)
    assert counts.counts(northwind)["customEvent"] == counts.Count(12, "extraction")
    sampled = Dataset(object_name="purchase", rows=2)
    sampled.counts = [{"value": "a", "count": 40}, {"value": "b", "count": 2}]
    assert counts.records_of(sampled) == 42


def test_after_a_sandbox_run_its_rows_and_the_bytes_of_its_staged_rows_count(northwind, production):
    run = cast.make_run(northwind, cast.make_user("ada"))
    phase = run.phases.get(table="contact")
    values = orjson.dumps({"lastname": "Lovelace", "firstname": "Ada", "donotbulkemail": True})
    row = {
        "values": values,
        "position": 0,
        "parents": [],
        "lossy": [],
        "literal": [],
        **dict.fromkeys(("row_id", "source_id", "role"), "x"),
    }
    row |= {
        "main_table": "contact",
        "action": "create",
        "origin": "created",
        "etag": None,
        "before": None,
        "applied_hash": "",
        "sample": None,
    }
    path = staged.part(run, phase.object_name, "contact", 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    staged.pa.parquet.write_table(staged.pa.Table.from_pylist([row], staged.STAGED), path)
    found = lines(production)
    assert (found["user", "contact"].rows, found["user", "contact"].basis, found["user", "contact"].measured) == (6, "sandbox", True)
    assert found["user", "contact"].bytes_per_row == estimates.volume().overhead + 2 * len("LovelaceAda") + 8
    assert not found["company", "account"].measured


@pytest.mark.parametrize(("licences", "pool"), [(None, 500_000), (40, 700_000), (10_000, 10_000_000)])
def test_the_pool_follows_the_licences(production, licences, pool):
    production.licences = licences
    assert forecast(production).pool == pool


def test_a_load_beyond_the_pool_asks_and_says_how_long_it_lasts(northwind, production):
    event_map(northwind, 1_200_000)
    production.licences = 0
    finding = next(checks.requests_of(forecast(production)))
    assert (finding.severity, finding.rests_on) == ("warning", {"days": 5})
    assert "2,404,000 requests" in finding.evidence


def test_storage_that_is_short_is_asked_about_and_one_that_nobody_entered_is_not(northwind, production):
    event_map(northwind, 1_000_000)
    assert next(checks.storage_of(forecast(production))).severity == "info"
    production.free_database_gb, production.free_file_gb, production.free_log_gb = Decimal(1), Decimal(1), Decimal(1)
    finding = next(checks.storage_of(forecast(production)))
    assert (finding.severity, finding.rests_on) == ("warning", {"short": ["database"]})


def test_audited_tables_take_log_storage_unless_auditing_is_off(northwind, production):
    DiscoveryFinding.objects.create(
        engagement=northwind,
        environment=production,
        check_name="quiet_auditing",
        asks=True,
        severity="warning",
        facts={"audited": ["lead"]},
    )
    assert [key for key, line in lines(production).items() if line.log] == [("user", "lead")]
    DiscoveryFinding.objects.update(decision="off", decided_at="2026-01-01T00:00Z")
    assert not [line for line in lines(production).values() if line.log]


def test_many_events_are_offered_cheaper_places(northwind, production):
    event_map(northwind, 250_000)
    assert next(checks.events_of(forecast(production))).severity == "info"
    Dataset.objects.update(rows=250_001)
    checks.refresh(northwind, actor="test")
    finding = DiscoveryFinding.objects.get(environment=production, check_name="event_storage")
    assert finding.choices == ["activities", "own_table", "fewer_columns", "leave"]
    assert "250,001 activities" in finding.evidence
