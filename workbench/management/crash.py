"""A crash for the demonstration: one worker is killed in the middle of a load, and the load goes on by itself."""

import os
import signal
from collections.abc import Callable
from typing import Any

from loads.models import Chunk, Phase, Run
from loads.staging.phases import CHUNK_ROWS
from workbench.management.kill_bench import pid_of

HELD = (Chunk.State.LEASED, Chunk.State.CHECKING)


class Crash:
    """Kills a worker of the first load into production that it is shown, in the middle of its largest phase; only once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Nothing is killed yet."""
        self._say = say
        self._content: dict[str, Any] | None = None
        self._largest = 0  # rows

    def look(self, run: Run) -> None:
        """Kill the process that is sending a chunk of the run, if one of this machine is."""
        if self._content or not run.environment.is_production:
            return
        largest = run.phases.filter(kind=Phase.Kind.ROWS).order_by("-planned", "number").first()
        here = f"{os.uname().nodename}:"
        self._largest = largest.planned if largest else 0
        chunk = Chunk.objects.filter(phase=largest, state=Chunk.State.LEASED, worker__startswith=here).first() if largest else None
        if chunk:
            self._kill(chunk)

    def _kill(self, chunk: Chunk) -> None:
        os.kill(pid_of(chunk.worker), signal.SIGKILL)
        held = list(Chunk.objects.filter(phase=chunk.phase, worker=chunk.worker, state__in=HELD))
        repeated = sum(one.stop - one.start for one in held if one.state == Chunk.State.LEASED)
        self._content = {
            "environment": chunk.phase.run.environment.kind,
            "phase": str(chunk.phase),
            "killed": chunk.worker,
            "chunks_in_flight": len(held),
            "repeated_rows": repeated,
        }
        self._say(f"A worker is killed in mid-load, at {chunk.phase}: {len(held)} chunks were in flight, {repeated} rows are sent again")

    def missed(self) -> str:
        """What to say where the crash didn't come about though there was time for it; a load of a chunk may be over between two looks."""
        if self._content or self._largest <= CHUNK_ROWS:
            return ""
        return f"No worker was killed in mid-load, though {self._largest} rows were to be sent: nothing is shown of what a kill leaves."

    def content(self) -> dict[str, Any] | None:
        """What was killed and what it cost: {"environment", "phase", "killed", "chunks_in_flight", "repeated_rows"}; None if none was."""
        return self._content
