"""Users and teams of a pretend environment, as a snapshot keeps them."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from mapping.owners.models import OwnerDirectory, Principal
from mapping.owners.snapshot import key_of
from workbench.engagements.models import Engagement, Environment

TABLES = [{"name": "account", "activity": False}, {"name": "contact", "activity": False}, {"name": "task", "activity": True}]


def user(email: str, domain_name: str = "", **fields: Any) -> dict[str, Any]:
    """A user; what isn't told fits."""
    name = fields.pop("name", email.partition("@")[0].replace(".", " ").title())
    return {"kind": "user", "email": email, "domain_name": domain_name or email, "name": name, **fields}


def team(name: str, **fields: Any) -> dict[str, Any]:
    """An owner team; what isn't told fits."""
    return {"kind": "team", "name": name, **fields}


def known(engagement: Engagement, kind: str, *principals: Mapping[str, Any], tables: Iterable[Mapping[str, Any]] = TABLES) -> Environment:
    """Let an environment have been read, with these users and teams."""
    environment = engagement.environments.get(kind=kind)
    Principal.objects.filter(environment=environment).delete()
    rows = [
        Principal(
            environment=environment,
            row_id=uuid.uuid4(),
            name_key=key_of(one["name"]),
            email_key=key_of(one.get("email", "")),
            domain_key=key_of(one.get("domain_name", "")),
            **one,
        )
        for one in principals
    ]
    Principal.objects.bulk_create(rows)
    OwnerDirectory.objects.update_or_create(environment=environment, defaults={"tables": list(tables), "unit": "Northwind"})
    return environment
