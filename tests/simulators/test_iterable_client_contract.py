"""The public client `iterable-api` (PyPI) reads the simulator as it reads the real service."""

from datetime import UTC, datetime

import iterable as public
import orjson
import pytest

from connectors.simulators import iterable as simulator
from connectors.simulators.world import write_world
from tests import simulated


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, 200, 3)
    with simulated.serve(simulator.build_app(folder, api_key="a-key")) as address:
        made = public.Iterable(api_key="a-key", base_uri=address)
        made._session.trust_env = False
        yield made


def test_lists_channels_and_types_are_read(client):
    lists = client.lists.list().data["lists"]
    assert {entry["listType"] for entry in lists} == {"Standard", "Dynamic", "Suppression", "Internal"}
    assert client.lists.user_count(4201).data > 0
    assert "@" in client.lists.users(4201).data
    assert any(channel.email_marketing for channel in client.channels.list())
    assert len(client.message_types.list().data["messageTypes"]) == 8


def test_campaigns_metrics_and_templates_are_read(client):
    campaigns = client.campaigns.list().data["campaigns"]
    ids = [row["id"] for row in campaigns if row["campaignState"] == "Finished"]
    metrics = client.campaigns.get_metrics(ids, datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)).data
    assert metrics.startswith("id,")
    assert client.campaigns.get_child_campaigns(7108).data["campaigns"]
    assert client.templates.email.get(8101, None).data["html"]


def test_people_and_their_events_are_read(client):
    answer = client.export.export_data("customEvent", date_range="All", format="json", return_response_object=True)
    event = next(row for row in map(_json, answer.iter_lines()) if row.get("email") and row.get("userId"))
    assert client.users.get(email=event["email"]).data["user"]["dataFields"]
    assert client.events.get(event["email"], limit=5).data["events"]
    assert client.users.get_fields().data["fields"]["score"] == "long"
    assert client.metadata.list_available_tables().data == {"results": []}


def test_a_wrong_key_and_a_wrong_type_are_the_clients_own_errors(client):
    other = public.Iterable(api_key="wrong", base_uri=client.base_uri)
    other._session.trust_env = False
    with pytest.raises(public.exceptions.AuthorizationError):
        other.lists.list()
    with pytest.raises(public.exceptions.InvalidParameters):
        client.lists.users(123456)


def _json(line):
    return orjson.loads(line)
