"""Moments of events: cheap to make by the hundred thousand, and crowded where an import wrote very many at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

DAYS = 1500
CROWDED = 0.05  # of all events stand at one of the moments of an import


def moments(end: datetime, dice: random.Random) -> Callable[[], str]:
    """A maker of moments in the 1,500 days before `end`, written as the export has them; later days are likelier."""
    days = [f"{end - timedelta(days=day + 1):%Y-%m-%d}" for day in range(DAYS)]
    imports = [f"{days[day]} 03:00:00 +00:00" for day in (12, 190, 640)]

    def make() -> str:
        draw = dice.random()
        if draw < CROWDED:
            return imports[int(draw / CROWDED * len(imports))]
        second = int(draw * 86_400_000) % 86_400
        return f"{days[int(dice.random() ** 2 * DAYS)]} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02} +00:00"

    return make
