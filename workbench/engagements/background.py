"""Work that takes longer than a web request may: layers below the pipeline ask for it here, and it has workers do it as a step."""

from collections.abc import Mapping
from typing import Any, Protocol

from django.contrib.auth.models import User

from workbench.engagements.models import Environment


class Begin(Protocol):
    """Has a step carried out. Raises a WorkbenchError where it can't begin, as where one like it is under way."""

    def __call__(self, name: str, environment: Environment, asked: Mapping[str, Any], *, user: User) -> None:
        """name: of the step. asked: as JSON, what its parts work from."""


_registered: list[Begin] = []


def register(begin: Begin) -> None:
    """Say who has such work carried out."""
    _registered[:] = [begin]


def begin(name: str, environment: Environment, asked: Mapping[str, Any], *, user: User) -> None:
    """Ask for the work; see `Begin`."""
    [registered] = _registered
    registered(name, environment, asked, user=user)
