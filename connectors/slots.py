"""Slots that the processes of one machine share: who holds one may call, and one whose process dies is free at once.

A pause that one of them was asked to make, and what each of them says of its calls, is shared the same way.
"""

import fcntl
import os
import struct
import threading
import time
from pathlib import Path

from connectors.store import NO_ROOM

ENTRY = struct.Struct("=iidd8x")  # process, kind, moment, value; it divides a disk's block, so a full disk takes it whole or not at all
Entry = tuple[int, int, float, float]
REMEMBERED = 60_000  # entries that a new process hears: the requests of a window on ten web servers
FORGOTTEN_S = 86_400.0  # what was told by then is of no use to anybody
LOOK_S = 0.01  # so often a slot of another process is tried again; our own say when they are free


class Slots:
    """Numbered slots in a folder, each a file with an exclusive lock. For any number of threads and processes.

    The lock belongs to the open file, so the kernel frees it with the process, however that ends. The folder is on a local disk.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is opened yet; the folder is made where it is missing."""
        self._folder, self._held = folder, folder / "held"
        self._files: dict[int, int] = {}
        self._ours: set[int] = set()
        self._changed = threading.Condition()
        self._told: int | None = None  # the open file
        self._read = 0

    def tell(self, kind: int, moment: float, value: float) -> bool:
        """Tell all processes something; `hear` gives it to each of them once. moment: of the machine's monotonic clock.

        False where the disk has no room: what was called must not fail for that.
        """
        entry = ENTRY.pack(os.getpid(), kind, moment, value)
        try:
            return os.write(self._telling(), entry) == ENTRY.size  # one append is never torn
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return False

    def hear(self) -> list[Entry]:
        """What was told since this was last asked, by this process too: (process, kind, moment, value)."""
        size = os.fstat(self._telling()).st_size
        self._read = min(self._read, size)  # it may have been cleared meanwhile
        if size == self._read:
            return []
        data = os.pread(self._telling(), (size - self._read) // ENTRY.size * ENTRY.size, self._read)
        self._read += len(data)
        return list(ENTRY.iter_unpack(data))

    def _telling(self) -> int:
        """The file that everybody appends to; of what was told before this process began the newest entries are heard."""
        if self._told is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._told = os.open(self._folder / "told", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            known = os.fstat(self._told)
            if known.st_size and time.time() - known.st_mtime > FORGOTTEN_S:
                os.ftruncate(self._told, 0)
            entries = os.fstat(self._told).st_size // ENTRY.size
            self._read = max(0, entries - REMEMBERED) * ENTRY.size
        return self._told

    def take(self, limit: int) -> int:
        """Wait until one of the first `limit` slots is free, and take it; `give_back` takes its number."""
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

    def hold(self, seconds: float) -> None:
        """Tell all processes that nobody should call for so long; one that was told of a longer pause keeps to it."""
        with self._changed:
            until = max(time.time() + seconds, self._until())
            self._folder.mkdir(parents=True, exist_ok=True)
            self._held.touch(0o600)
            os.utime(self._held, (until, until))

    def held_s(self) -> float:
        """Seconds for which nobody should call, from now."""
        return max(0.0, self._until() - time.time())

    def _until(self) -> float:
        """The moment is the file's own time: one look at it, and never half written."""
        try:
            return self._held.stat().st_mtime
        except FileNotFoundError:
            return 0.0

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
