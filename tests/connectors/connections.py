"""Stand-ins for the Connection model with what the connectors read of it, for tests that need no database."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class FakeConnection:
    base_url: str
    kind: str = "dataverse"
    name: str = "test"
    secret: str = "client-secret-value"
    settings: dict[str, Any] = field(default_factory=dict)
    ca: str | None = None
    pk: int | None = None  # it isn't kept

    def ca_file(self) -> str | None:
        return self.ca
