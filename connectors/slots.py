"""Slots that the processes of one machine share: who holds one may call, and one whose process dies is free at once."""

import fcntl
import os
import threading
from pathlib import Path

LOOK_S = 0.01  # so often a slot of another process is tried again; our own say when they are free


class Slots:
    """Numbered slots in a folder, each a file with an exclusive lock. For any number of threads and processes.

    The lock belongs to the open file, so the kernel frees it with the process, however that ends. The folder is on a local disk.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is opened yet; the folder is made where it is missing."""
        self._folder = folder
        self._files: dict[int, int] = {}
        self._ours: set[int] = set()
        self._changed = threading.Condition()

    def take(self, limit: int) -> int:
        """Wait until fewer than `limit` slots are taken, and take one; `give_back` takes its number."""
        while True:
            with self._changed:
                slot = self._free(limit)
                if slot is not None:
                    self._ours.add(slot)
                    return slot
                self._changed.wait(LOOK_S)

    def give_back(self, slot: int) -> None:
        """Let another thread or process have it."""
        with self._changed:
            fcntl.flock(self._files[slot], fcntl.LOCK_UN)
            self._ours.discard(slot)
            self._changed.notify()

    def _free(self, limit: int) -> int | None:
        for slot in range(limit):
            if slot not in self._ours and self._locked(slot):
                return slot
        return None

    def _locked(self, slot: int) -> bool:
        if slot not in self._files:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._files[slot] = os.open(self._folder / str(slot), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._files[slot], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
