"""A service that loses one answer in ten and refuses one request in twenty, over a whole load of all objects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command

from loads import runs
from loads.acceptance import sandbox_content
from loads.models import Run
from mapping import playbooks
from tests.playing import engagement_on
from tests.spine import test_killed_steps, test_lost_deals
from tests.spine.test_load_engine import Prepared
from workbench.engagements.models import Environment, SignOff
from workbench.management.commands.bench_load import FAILING, UNFAILING
from workbench.management.proof import canonical_dumps
from workbench.pipeline import demonstration
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
# Nobody waits long before the next go.
CONSTANTS = {"loads.writer.FIRST_WAIT_S": 0.001, "loads.carrying_out.FIRST_WAIT_S": 0.001, "connectors.retries._LONGEST_BACKOFF_S": 0.01}


@dataclass
class Loaded:
    """What came of a load. requests: that the service got, in vain too."""

    run: Run
    rows: test_killed_steps.Rows
    requests: int
    faults: dict[str, int]


@pytest.fixture(scope="module")
def loads(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[tuple[Loaded, Loaded]]:
    """The same load into a sandbox that nothing disturbs, and into production."""
    work = tmp_path_factory.mktemp("work")
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(playbooks, "FOLDER", test_lost_deals.playbooks_in(work))
        playbooks.load_playbook.cache_clear()
        try:
            with engagement_on(test_killed_steps.source(work / "source"), work, purchasing_leads="contact") as playing:
                yield load_both(Prepared(*playing, leave=()), patch)
        finally:
            playbooks.load_playbook.cache_clear()
            call_command("flush", verbosity=0, interactive=False)


def load_both(prepared: Prepared, patch: pytest.MonkeyPatch) -> tuple[Loaded, Loaded]:
    engagement, cast = prepared.engagement, prepared.cast
    calm = loaded(prepared, prepared.sandbox, "dataverse_sandbox")
    demonstration.sign(engagement, SignOff.Kind.SANDBOX, sandbox_content(engagement), cast)
    demonstration._answer_findings(engagement, cast)
    production = engagement.environments.get(kind=Environment.Kind.PRODUCTION)
    demonstration._step(engagement, Step.Name.PROVISION, production, cast, lambda said: None)
    for name, value in CONSTANTS.items():
        patch.setattr(name, value)
    return calm, loaded(prepared, production, "dataverse", FAILING)


def loaded(prepared: Prepared, environment: Environment, server: str, faults: Mapping[str, Any] = UNFAILING) -> Loaded:
    before = canonical_dumps(environment)
    prepared.servers.control(server, "stats", {})
    prepared.servers.control(server, "faults", dict(faults))
    run = runs.open_run(environment, prepared.cast.engineer)
    demonstration.decide_quality(run, prepared.cast)
    run.refresh_from_db()
    stats = prepared.servers.stats(server)
    prepared.servers.fault(server)
    return Loaded(run, test_killed_steps.changed(before, canonical_dumps(environment)), sum(stats["requests"].values()), stats["faults"])


def test_everything_loads_nothing_is_doubled_and_little_more_is_asked_for(loads):
    calm, failing = loads
    assert (calm.run.state, failing.run.state, failing.run.message) == (Run.State.DONE, Run.State.DONE, "")
    assert (calm.faults, min(failing.faults.values()) > 5) == ({}, True)
    assert failing.rows == calm.rows
    assert settled(failing.run) == settled(calm.run)
    assert failing.requests <= 1.5 * calm.requests


def settled(run: Run) -> list[tuple[str, str, str, int, int, int, int]]:
    """What became of each phase's records and rows; a row that was made before its answer got lost may be found equal."""
    return [
        (one.object_name, one.table, one.kind, one.loaded, one.held, one.refused, one.created + one.updated + one.equal)
        for one in run.phases.order_by("number")
    ]
