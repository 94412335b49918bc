"""The engagement of a demonstration: opened with its connections, environments and people, by the names of a settings file."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction

from mapping.playbooks import load_playbook
from mapping.rule_previews import misunderstood
from workbench.engagements import history
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Connection, Engagement, Environment, Membership, Role

# What a person reads in the admin centre and enters on each environment.
ENTERED = {"edition": Environment.Edition.ENTERPRISE, "licences": 40, "free_database_gb": 18, "free_file_gb": 120, "free_log_gb": 6}
ENTERED |= {"daily_requests": 100_000_000}  # a company of any size is played in one go: the simulators count no entitlement


@dataclass(frozen=True, slots=True)
class Cast:
    """The people of the demonstration, with the passwords made for them."""

    engineer: Any
    approver: Any
    engineer_password: str
    approver_password: str


def open_engagement(platform: str, addresses: Mapping[str, Any], options: Mapping[str, str]) -> tuple[Engagement, Cast]:
    """A new engagement with its connections, environments and people. options: names that the demo assumes otherwise."""
    names = dict(options)
    zones = names.pop("zones", None)
    if zones is not None:
        names.update(zones if isinstance(zones, dict) else {"source_zone": zones, "day_zone": zones})
    known = {*load_playbook(platform).settings, "prefix"}
    if unknown := sorted(set(names) - known):
        raise BadInput(
            f"The settings file has unknown names: {', '.join(unknown)}.", remedy=f"Known are {', '.join(sorted(known))}, zones."
        )
    if wrong := list(misunderstood(names)):
        raise BadInput(f"The settings file doesn't fit. {' '.join(wrong)}", remedy="Mend it and start again.")
    with transaction.atomic():
        engagement = Engagement(
            name=f"Northpine {platform.capitalize()} demonstration",
            slug=_free_slug(platform),
            platform=platform,
            prefix=names.pop("prefix", "mwb"),
            options=names,
        )
        _checked(engagement)
        engagement.save()
        cast = cast_for(engagement)
        _connect(engagement, platform, addresses)
        history.record(engagement, actor=cast.engineer, action="opened engagement", subject=engagement.name)
    return engagement, cast


def _checked(engagement: Engagement) -> None:
    try:
        engagement.full_clean()
    except ValidationError as error:
        said = "; ".join(f"{name}: {' '.join(words)}" for name, words in error.message_dict.items())
        raise BadInput(f"The settings file doesn't fit. {said}", remedy="Mend it and start again.") from error


def _free_slug(platform: str) -> str:
    taken = set(Engagement.objects.values_list("slug", flat=True))
    slugs = [f"demo-{platform}", *(f"demo-{platform}-{number}" for number in range(2, len(taken) + 3))]
    return next(slug for slug in slugs if slug not in taken)


def cast_for(engagement: Engagement) -> Cast:
    """The engineer and the customer of an engagement, with new passwords."""
    users = get_user_model()
    passwords = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
    engineer, _ = users.objects.get_or_create(
        username="engineer", defaults={"is_staff": True, "is_superuser": True, "email": "engineer@consultancy.example"}
    )
    approver, _ = users.objects.get_or_create(
        username="approver", defaults={"email": "approver@customer.example", "first_name": "Ada", "last_name": "Approver"}
    )
    for user, password in zip((engineer, approver), passwords, strict=True):
        user.set_password(password)
        user.save(update_fields=["password"])
    Membership.objects.create(engagement=engagement, user=engineer, role=Role.ENGINEER)
    for role in (Role.APPROVER, Role.DYNAMICS_ADMIN):  # one person stands for the customer
        Membership.objects.create(engagement=engagement, user=approver, role=role)
    return Cast(engineer, approver, *passwords)


def _connect(engagement: Engagement, platform: str, addresses: Mapping[str, Any]) -> None:
    credentials = addresses["credentials"]
    Connection.objects.create(
        engagement=engagement,
        kind=platform,
        name=engagement.get_platform_display(),
        base_url=addresses[platform],
        secret=credentials[platform],
        settings={"limits": addresses.get("limits", {})},
    )
    settings = {"authority": addresses["entra"], "client_id": credentials["client_id"]}
    for kind, key in ((Environment.Kind.SANDBOX, "dataverse_sandbox"), (Environment.Kind.PRODUCTION, "dataverse")):
        connection = Connection.objects.create(
            engagement=engagement,
            kind="dataverse",
            name=f"Dynamics 365 {kind.label.lower()}",
            base_url=addresses[key],
            settings=settings,
            secret=credentials["client_secret"],
            ca_pem=Path(addresses["ca"]).read_text(),
        )
        Environment.objects.create(engagement=engagement, kind=kind, connection=connection, **ENTERED)


def read_settings(path: Path | None) -> dict[str, str]:
    """The names of a settings file. Raises BadInput."""
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise BadInput(f"The settings file can't be read: {error}.", remedy="Give a file with one JSON object.") from error
    if not isinstance(content, dict):
        raise BadInput("The settings file isn't one JSON object.", remedy='Write {"lifecycle_field": "stage"}.')
    if odd := sorted(name for name, value in content.items() if not isinstance(value, (str, dict) if name == "zones" else str)):
        raise BadInput(f"In the settings file these aren't text: {', '.join(odd)}.", remedy='Write {"lifecycle_field": "stage"}.')
    return content
