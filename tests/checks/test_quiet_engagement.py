"""The whole engagement on a world with plug-ins, workflows, flows, rules and journeys: nothing of them is set off, and all is put back."""

import pytest
import requests

from mapping.models import DiscoveryFinding
from tests import simulated
from tests.playing import dump, engagement_on
from workbench.pipeline import demonstration, steps
from workbench.pipeline.models import Step

pytestmark = pytest.mark.django_db(transaction=True)
# Nothing is registered on the tables of these.
LEAVE = ("list", "listMembership", "campaign", "catalogItem", "subscriptionEvent")


def written(servers, table: str) -> list[dict]:
    """Rows of ours in production."""
    return [row for row in dump(servers.dataverse, table) if row.get("mwb_runid")]


def test_a_played_engagement_sets_nothing_off_and_puts_everything_back(tmp_path):
    with engagement_on(simulated.world(tmp_path / "world", people=10), tmp_path) as (engagement, cast, servers):
        before = {table: dump(servers.dataverse, table) for table in ("sla", "workflow", "msdyn_segment", "mailbox", "msdynmkt_journey")}
        demonstration.play(engagement, cast, lambda words: None, LEAVE)
        for address in (servers.dataverse, servers.dataverse_sandbox):
            with requests.Session() as session:
                session.trust_env = False
                assert session.get(f"{address}/_simulator/fired", timeout=10).json() == {}
        after = {table: dump(servers.dataverse, table) for table in before}
        states = ("statecode", "statuscode", "actdeliverymethod")
        assert [[row.get(name) for name in states] for rows in after.values() for row in rows] == [
            [row.get(name) for name in states] for rows in before.values() for row in rows
        ]
        assert [table for table in ("account", "contact", "lead", "opportunity", "task") if not written(servers, table)] == []
        decided = DiscoveryFinding.objects.filter(engagement=engagement, environment__kind="production", decision="off")
        assert decided.count() == decided.exclude(off_at=None).exclude(back_at=None).count() >= 6
        # Of tables that are left no column is demanded any more.
        findings = DiscoveryFinding.objects.filter(engagement=engagement).exclude(check_name="required_columns")
        before = set(findings.values_list("environment", "check_name", "subject"))
        steps.request(engagement, Step.Name.CHECK, user=cast.engineer)
        assert Step.objects.get(name="check").state == "done"
        assert set(findings.values_list("environment", "check_name", "subject")) == before
        assert not DiscoveryFinding.objects.filter(engagement=engagement).undecided().exists()
