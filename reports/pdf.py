"""PDF files from books: every value goes to the typesetter as data, a table row by row, one document at a time on a machine.

The same book with the same cover gives the same bytes: the time in the file is the cover's, the fonts are the ones that lie here (and
those of DOCUMENT_FONTS). A character that no font has is printed as an empty box and stays in the text that is copied.
"""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from reports.printout import Printout
from workbench.engagements.errors import WorkbenchError

TEMPLATE = Path(settings.BASE_DIR) / "templates" / "documents" / "book.typ"
FONTS = TEMPLATE.parent / "fonts"
TIME_LIMIT_S = 80
TAGGED = 1_000_000  # heavier documents go without the tags for screen readers, which would make the file six times as large


class CannotTypeset(WorkbenchError):
    """The typesetter gave no file."""

    remedy = "Look at the machine's free memory, then write the document again. Its JSON and workbook say the same."


def write(path: Path, printout: Printout) -> None:
    """Write a book's data as PDF. Raises CannotTypeset."""
    shutil.copyfile(TEMPLATE, printout.folder / TEMPLATE.name)
    with _alone():
        _run(printout.folder, path, printout.seconds, tags=printout.weight <= TAGGED)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process of this machine sets a document: one takes hundreds of megabytes."""
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    with (settings.VAR_DIR / "typesetting.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(folder: Path, out: Path, seconds: int, *, tags: bool) -> None:
    fonts = [str(FONTS), *settings.DOCUMENT_FONTS]
    command = [sys.executable, "-m", "reports.typesetting", str(folder), str(out), str(seconds), "tags" if tags else "plain", *fonts]
    try:
        done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, timeout=TIME_LIMIT_S, check=False)  # noqa: S603 - our own module
    except subprocess.TimeoutExpired as error:
        raise CannotTypeset(f"The document wasn't set within {TIME_LIMIT_S} seconds.") from error
    if done.returncode:
        raise CannotTypeset(f"The typesetter ended with code {done.returncode}.")  # what it said may hold the document's text
