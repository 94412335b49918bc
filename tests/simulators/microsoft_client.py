"""Microsoft's Python client pointed at a simulated organisation, and a look at what it can do."""

import inspect
import time
from pathlib import Path
from types import ModuleType

from azure.core.credentials import AccessToken
from PowerPlatform.Dataverse.client import DataverseClient

from tests.simulators.dataverse_organisation import token


def access_token(scope: str) -> AccessToken:
    return AccessToken(token(audience=scope.removesuffix("/.default")), int(time.time()) + 600)


class Credential:
    def get_token(self, *scopes, **options):
        return access_token(scopes[0])


class AsyncCredential:
    async def get_token(self, *scopes, **options):
        return access_token(scopes[0])

    async def close(self):
        pass

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


def connect(address: str) -> DataverseClient:
    made = DataverseClient("https://organisation.invalid", Credential())
    made._base_url = address  # the constructor takes https only; this is the documented way around it
    return made


def public_methods(cls: type) -> list[str]:
    return [name for name, member in inspect.getmembers(cls, callable) if not name.startswith("_")]


def not_called(module: ModuleType, receiver: str, cls: type) -> list[str]:
    """Public methods of a class that no test of a module calls on a receiver of this name, such as `client.records`."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    return [f"{receiver}.{name}" for name in public_methods(cls) if f"{receiver}.{name}(" not in source]
