"""Stopping a command in good order: what it started beside it is ended too."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed. Ctrl-C raises KeyboardInterrupt by itself.


@contextmanager
def leaving_on_signals() -> Iterator[None]:
    """End as asked, with everything put away on the way; a second signal must not stop the putting away."""
    before = {number: signal.signal(number, _leave) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, *_: object) -> NoReturn:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)
