"""Work that takes longer than a web request may: layers below the pipeline ask for it here, and it has workers do it as a step."""

from collections.abc import Mapping
from typing import Any, Protocol

from django.contrib.auth.models import User

from workbench.engagements.models import Engagement, Environment


class Begin(Protocol):
    """Has a step carried out. Raises a WorkbenchError where it can't begin, as where one like it is under way."""

    def __call__(self, name: str, environment: Environment, asked: Mapping[str, Any], *, user: User) -> None:
        """name: of the step. asked: as JSON, what its parts work from."""


class RequireNone(Protocol):
    """Raises a WorkbenchError while such work is under way; none begins before the transaction that it is called in ends."""

    def __call__(self, name: str, engagement: Engagement) -> None:
        """name: of the step."""


_registered: list[tuple[Begin, RequireNone]] = []


def register(begin: Begin, require_none: RequireNone) -> None:
    """Say who has such work carried out, and tells whether it is."""
    _registered[:] = [(begin, require_none)]


def begin(name: str, environment: Environment, asked: Mapping[str, Any], *, user: User) -> None:
    """Ask for the work; see `Begin`."""
    [(registered, _)] = _registered
    registered(name, environment, asked, user=user)


def require_none(name: str, engagement: Engagement) -> None:
    """Refuse what the work would undo; see `RequireNone`."""
    [(_, registered)] = _registered
    registered(name, engagement)
