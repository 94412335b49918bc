"""Two organisations of a small world, served once per module, and an engagement that looks at them."""

from pathlib import Path

import pytest
import requests

from mapping.discovery.source import _keep_objects
from mapping.models import ObjectMap
from tests import simulated
from workbench.engagements.models import Connection, Engagement, Environment
from workbench.pipeline import opening


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = simulated.world(tmp_path_factory.mktemp("world"), people=30)
    with simulated.start(folder, only=["dataverse"]) as running:
        yield running


@pytest.fixture
def engagement(db, servers) -> Engagement:
    """Connected to both organisations; accounts, contacts and leads are planned."""
    engagement = Engagement.objects.create(name="Halden & Voss", slug="halden", platform="iterable")
    settings = {"authority": servers.entra, "client_id": servers.credentials["client_id"]}
    secret, ca_pem = servers.credentials["client_secret"], Path(servers.ca).read_text()
    for kind, address in (("sandbox", servers.dataverse_sandbox), ("production", servers.dataverse)):
        connection = Connection.objects.create(
            engagement=engagement, kind="dataverse", name=kind, base_url=address, settings=settings, secret=secret, ca_pem=ca_pem
        )
        Environment.objects.create(engagement=engagement, kind=kind, connection=connection)
    _keep_objects(engagement)
    ObjectMap.objects.exclude(object_name__in=("company", "user")).delete()
    opening.cast_for(engagement)
    return engagement


@pytest.fixture
def production(engagement) -> Environment:
    return engagement.environments.get(kind="production")


@pytest.fixture
def sandbox(engagement) -> Environment:
    return engagement.environments.get(kind="sandbox")


@pytest.fixture
def fired(servers):
    """What a production's writes set off since the last time this was asked."""
    before: dict[str, int] = {}

    def ask() -> dict[str, int]:
        with requests.Session() as session:
            session.trust_env = False
            now = session.get(f"{servers.dataverse}/_simulator/fired", timeout=10).json()
        new = {name: count - before.get(name, 0) for name, count in now.items() if count > before.get(name, 0)}
        before.update(now)
        return new

    ask()
    return ask


@pytest.fixture
def lacking(servers):
    """Take privileges from production's application user, and give them back."""

    def take(*names: str) -> None:
        with requests.Session() as session:
            session.trust_env = False
            assert session.post(f"{servers.dataverse}/_simulator/privileges", json={"missing": list(names)}, timeout=10).ok

    yield take
    take()
