"""`manage.py verify RUN`: read everything back again that a run wrote and did, and compare it."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loads.verifying import Found, read_again
from workbench.engagements import history
from workbench.engagements.errors import WorkbenchError
from workbench.management import environments, running

GONE = "it isn't there"
UNREAD = 4  # the exit code where what was read is as it was sent, and some couldn't be read
EXIT_CODES = (
    "Exit codes: 0 all is as it was sent, or was changed by somebody else since, which is told; 1 refused (the message says why and what "
    "to do); 2 wrong arguments; 3 something is wrong or isn't there; 4 nothing is, as far as it could be read."
)


class Command(BaseCommand):
    """Of a run in any state, a finished one too. Only reads; source ids and columns are told, no values."""

    help = f"Read back all that a run wrote and did, and compare it value by value with what was meant. {EXIT_CODES}"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run."""
        parser.add_argument("run", metavar="RUN", help="its number or its key")
        environments.add_user(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, tell and record it."""
        run, user = running.run_of(options["run"]), environments.user_of(options)
        if run.is_rollback or run.taken_back_by:
            raise CommandError(f"{run} {'takes rows back' if run.is_rollback else 'was rolled back'}: there is nothing of it to read back.")
        try:
            found = [self._tell(one) for one in read_again(run)]
        except WorkbenchError as error:
            raise running.refused(error) from error
        rows, wrong, edited = (sum(getattr(one.tally, name) for one in found) for name in ("rows", "wrong_rows", "edited_rows"))
        unread, missing = sum(one.unread for one in found), sum(one.missing for one in found)
        detail = {"rows": rows, "differing": wrong, "edited": edited, "unread": unread}
        history.record(run.engagement, actor=user, action="verified run", subject=str(run), detail=detail)
        others = f" {edited:,} were changed by somebody else since." if edited else ""
        others += f" {unread:,} more couldn't be read." if unread else ""
        if wrong:
            of_them = f", {missing:,} of them aren't there" if missing else ""
            raise CommandError(f"{wrong:,} of {rows:,} rows aren't as they were sent{of_them}.{others}", returncode=running.NOT_DONE)
        said = f"All {rows - edited:,}{' other' if edited or unread else ''} rows are as they were sent.{others}"
        if any(one.problem for one in found):
            raise CommandError(f"{said} Mend the cause, then verify again.", returncode=UNREAD)
        self.stdout.write(said)

    def _tell(self, found: Found) -> Found:
        values = ", ".join(f"{count:,} {verdict}" for verdict, count in found.tally.values().items())
        later = f"; {found.later:,} were taken up by a later run since and aren't compared" if found.later else ""
        self.stdout.write(f"{found.phase}: {found.tally.rows:,} rows, values: {values}{later}")
        if found.problem:
            self.stdout.write(f"    {found.unread:,} rows couldn't be read: {found.problem}")
        self._name(found.differing, found.tally.wrong_rows, "")
        self._name(found.edited, found.tally.edited_rows, ", changed by somebody else")
        return found

    def _name(self, rows: Sequence[tuple[str, list[str]]], count: int, what: str) -> None:
        """The first few of so many rows, with what differs."""
        for source_id, columns in rows:
            self.stdout.write(f"    {source_id}: {', '.join(columns) or GONE}{what}")
        if (more := count - len(rows)) > 0:
            self.stdout.write(f"    and {more:,} more{what}")
