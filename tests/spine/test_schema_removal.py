"""Provisioned schema is removed by a signature of its own: what is ours and empty goes, everything else is kept and listed."""

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from connectors.dataverse.metadata import has_column, has_table
from loads.destination import Destination
from loads.models import Crosswalk, Run, SchemaRemoval
from loads.removal import opening, survey
from tests.folders import user
from tests.playing import dump, engagement_on
from tests.spine import test_objects_again
from tests.spine.test_rollback import ANEW, Loaded, differences, lacking
from workbench.engagements import gates, signoffs
from workbench.engagements.models import AuditEntry, Environment, SignOff
from workbench.pipeline import demonstration, steps
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
EXPANDED = "Attributes,Keys,ManyToOneRelationships,OneToManyRelationships,ManyToManyRelationships"


def schema(environment: Environment) -> dict[str, list[dict]]:
    """All metadata of an environment, as its own Web API tells it."""
    client = Destination(environment).client
    paths = {"EntityDefinitions": {"$expand": EXPANDED}, "GlobalOptionSetDefinitions": {}, "RelationshipDefinitions": {}}
    return {path: client.get(path, params=params)["value"] for path, params in paths.items()}


@pytest.fixture
def taken_back(tmp_path):
    """A sandbox that was provisioned, events as a table of their own, loaded and rolled back."""
    folder = test_objects_again.folder(tmp_path / "source")
    with engagement_on(folder, tmp_path, purchasing_leads="contact", events_become="own_table") as (engagement, cast, servers):
        sandbox = engagement.environments.get(kind=Environment.Kind.SANDBOX)
        metadata = schema(sandbox)
        bare = rows(servers)
        loaded = Loaded(engagement, cast, servers, ())
        loaded.metadata, loaded.bare, loaded.after = metadata, bare, loaded.everything()
        loaded.take_back()
        yield loaded


def rows(servers) -> dict[str, list[dict]]:
    return {
        name: dump(servers.dataverse_sandbox, name, canonical=True) for name in ("publisher", "solution", "solutioncomponent", "contact")
    }


def remove(loaded) -> SchemaRemoval:
    """Planned, agreed to by the engineer and carried out."""
    removal = opening.propose(loaded.sandbox, actor=loaded.cast.engineer)
    opening.agree(removal, loaded.cast.engineer, shown_sha256=signoffs.content_hash(opening.content(removal)))
    carry_out(loaded)
    removal.refresh_from_db()
    return removal


def carry_out(loaded) -> Step:
    step = steps.request(loaded.engagement, Step.Name.REMOVE, environment=loaded.sandbox, user=loaded.cast.engineer)
    step.refresh_from_db()
    return step


def test_an_untouched_organisation_is_as_it_was_before_provisioning_and_is_provisioned_and_loaded_again(taken_back):
    removal = remove(taken_back)
    assert removal.count("kept") == 0
    assert removal.count("removed") == len(removal.components) > 50
    assert schema(taken_back.sandbox) == taken_back.metadata
    assert rows(taken_back.servers) == taken_back.bare
    says = [one.says for one in gates.missing("load", taken_back.engagement, taken_back.sandbox)]
    assert "The schema isn't provisioned in sandbox." in says
    assert survey.plan_of(taken_back.sandbox) == []
    demonstration._step(taken_back.engagement, Step.Name.PROVISION, taken_back.sandbox, taken_back.cast, print)
    taken_back.load()
    assert not differences(taken_back.everything(), taken_back.after, apart=ANEW)
