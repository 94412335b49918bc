"""`manage.py verify RUN`: read everything back again that a run wrote and did, and compare it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loads.verifying import Found, read_again
from workbench.engagements import history
from workbench.engagements.errors import WorkbenchError
from workbench.management import environments, running

GONE = "it isn't there"


class Command(BaseCommand):
    """Of a run in any state, a finished one too. Only reads; source ids and columns are told, no values."""

    help = f"Read back all that a run wrote and did, and compare it value by value with what was meant. {running.EXIT_CODES}"

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
        detail = {"rows": rows, "differing": wrong, "edited": edited}
        history.record(run.engagement, actor=user, action="verified run", subject=str(run), detail=detail)
        others = f" {edited:,} were changed by somebody else since." if edited else ""
        if wrong:
            raise CommandError(f"{wrong:,} of {rows:,} rows aren't as they were sent.{others}", returncode=running.NOT_DONE)
        self.stdout.write(f"All {rows - edited:,}{' other' if edited else ''} rows are as they were sent.{others}")

    def _tell(self, found: Found) -> Found:
        values = ", ".join(f"{count:,} {verdict}" for verdict, count in found.tally.values().items())
        later = f"; {found.later:,} were taken up by a later run since and aren't compared" if found.later else ""
        self.stdout.write(f"{found.phase}: {found.tally.rows:,} rows, values: {values}{later}")
        for source_id, columns in found.differing:
            self.stdout.write(f"    {source_id}: {', '.join(columns) or GONE}")
        if (more := found.tally.wrong_rows + found.tally.edited_rows - len(found.differing)) > 0:
            self.stdout.write(f"    and {more:,} more")
        return found
