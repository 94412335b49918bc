"""A crash for the demonstration: one worker is killed in the middle of a load, and the load goes on by itself."""

import os
import signal
from collections.abc import Callable
from typing import Any

from django.db.models import F, Sum

from loads.models import Chunk, Phase, Run
from workbench.management.kill_bench import pid_of

HELD = (Chunk.State.LEASED, Chunk.State.CHECKING)


class Crash:
    """Kills a worker of the first load into production that it is shown while chunks are in flight; only once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Nothing is killed yet."""
        self._say = say
        self._content: dict[str, Any] | None = None

    def look(self, run: Run) -> None:
        """Kill the process that is sending a chunk of the run, if one is."""
        if self._content or not run.environment.is_production:
            return
        chunk = Chunk.objects.filter(phase__run=run, phase__kind=Phase.Kind.ROWS, state=Chunk.State.LEASED).order_by("-stop").first()
        node, _, _ = chunk.worker.partition(":") if chunk else ("", "", "")
        if chunk is None or node != os.uname().nodename:
            return
        os.kill(pid_of(chunk.worker), signal.SIGKILL)
        held = Chunk.objects.filter(phase__run=run, worker=chunk.worker, state__in=HELD)
        repeated = held.filter(state=Chunk.State.LEASED).aggregate(rows=Sum(F("stop") - F("start")))["rows"] or 0
        self._content = {
            "environment": run.environment.kind,
            "phase": str(chunk.phase),
            "killed": chunk.worker,
            "chunks_in_flight": held.count(),
            "repeated_rows": repeated,
        }
        self._say(
            f"A worker is killed in mid-load ({chunk.phase}): chunks in flight {held.count()}, rows of them to be sent again {repeated}"
        )

    def content(self) -> dict[str, Any] | None:
        """What was killed and what it cost: {"environment", "phase", "killed", "chunks_in_flight", "repeated_rows"}; None if none was."""
        return self._content
