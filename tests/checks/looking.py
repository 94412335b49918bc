"""Looking at an environment as discovery does, for tests."""

from mapping.checks.keeping import keep
from mapping.checks.look import Look, look_through
from mapping.models import DiscoveryFinding
from workbench.engagements.models import Environment


def look(environment: Environment) -> dict[str, DiscoveryFinding]:
    """Every check made and kept; the findings by key."""
    here = Look(environment)
    for last in (False, True):
        seen = look_through(here, lambda words: None, last=last)
    keep(environment.engagement, environment, seen.findings, unseen=seen.unseen, actor="discovery")
    return {row.key: row for row in DiscoveryFinding.objects.filter(environment=environment)}
