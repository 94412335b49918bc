"""What all workers know of an application user's pace, wherever they run: a pause that the service asked for, and what a window holds.

It stands in the database. It is written where something was learned, never per request, and read at most once a second, by threads that
have the database at hand anyway: none opens a connection for it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from workbench.engagements import clock

logger = logging.getLogger(__name__)
VOID = timedelta(days=1)  # what a window held longer ago isn't taken for granted


@dataclass(frozen=True, slots=True)
class Known:
    """held_s: seconds for which nobody should call, from now. learned: limit -> what a window holds, for all machines; learned_at: when."""

    held_s: float = 0.0
    learned: Mapping[str, float] = field(default_factory=dict)
    learned_at: datetime | None = None


class Board:
    """The entry of one application user."""

    def __init__(self, name: str) -> None:
        """name: of the user at its environment, at most 24 characters."""
        self._name = name

    def tell(self, held_s: float, learned: Mapping[str, float]) -> datetime | None:
        """Let everybody know; when it was learned, by the board. None where it can't be told from this thread, or now.

        A pause that ends later than this one stays. learned: empty where nothing was.
        """
        if not _at_hand():
            return None
        from connectors.models import ServiceUser  # once the apps are ready

        try:
            now = clock.now()
            with transaction.atomic():
                ServiceUser.objects.get_or_create(name=self._name)
                mine, until = ServiceUser.objects.filter(name=self._name), now + timedelta(seconds=held_s)
                if held_s > 0:
                    mine.filter(Q(held_until=None) | Q(held_until__lt=until)).update(held_until=until)
                if learned:
                    mine.update(learned=dict(learned), learned_at=now)
        except DatabaseError as error:
            logger.warning("what was learned of a user's pace isn't told yet: %s", type(error).__name__)
            return None
        return now

    def read(self) -> Known | None:
        """What is known; None where it can't be read from this thread, or now."""
        if not _at_hand():
            return None
        from connectors.models import ServiceUser  # once the apps are ready

        try:
            found = ServiceUser.objects.filter(name=self._name).annotate(now=Now()).first()
        except DatabaseError as error:
            logger.warning("what is known of a user's pace can't be read: %s", type(error).__name__)
            return None
        if found is None:
            return Known()
        held_s = max(0.0, (found.held_until - found.now).total_seconds()) if found.held_until else 0.0
        is_void = found.learned_at is None or found.now - found.learned_at > VOID
        return Known(held_s) if is_void else Known(held_s, found.learned, found.learned_at)


def _at_hand() -> bool:
    """Whether this thread has a connection to the database that may be asked."""
    return connection.connection is not None and not connection.needs_rollback
