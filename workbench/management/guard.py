"""The task cluster's guard: starts its processes again when they are killed, with new queues where that may have broken the old ones."""

from multiprocessing import Event, Process
from typing import Any

from django_q.cluster import Sentinel
from django_q.conf import Conf, logger
from django_q.queues import Queue


class Guard(Sentinel):
    """django-q2's guard, but for queues that a killed process left locked.

    A process that waits for its queue holds the queue's lock, and a lock of multiprocessing isn't freed by a kill: whoever takes the dead
    one's place would wait for ever. A worker in the middle of a task waits for nothing, so its death alone harms nobody else.
    """

    def reincarnate(self, process: Process) -> None:
        """Start a process in a dead one's place, or all of them with new queues."""
        if process not in (*self.pool, self.monitor, self.pusher):
            return  # of those that were ended together
        if self._may_hold_a_lock(process):
            self._begin_anew()
        else:
            super().reincarnate(process)

    def _may_hold_a_lock(self, process: Any) -> bool:
        was_killed = (process.exitcode or 0) < 0
        return was_killed and not (process in self.pool and process.timer.value > 0)

    def _begin_anew(self) -> None:
        """End all processes and start new ones; what they were at is delivered again, as after any kill."""
        logger.critical("a process of the task cluster was killed while it waited; all of them are started again")
        processes = (*self.pool, self.monitor, self.pusher)
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        self.task_queue, self.result_queue = Queue(maxsize=Conf.QUEUE_LIMIT or 0), Queue()
        self.event_out = Event()
        self.spawn_cluster()
        self.reincarnations += 1
