"""`manage.py stop RUN`: end a run at a safe point."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from loads import runs
from workbench.engagements.errors import WorkbenchError
from workbench.management import environments, running


class Command(BaseCommand):
    """The same as the button on the run's page."""

    help = f"End a run when its phase in hand is sent whole, read back and balanced. {running.EXIT_CODES}"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run, and in whose name."""
        parser.add_argument("run", metavar="RUN", help="its number or its key")
        environments.add_user(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        run, user = running.run_of(options["run"]), environments.user_of(options)
        try:
            runs.stop(run, user)
        except WorkbenchError as error:
            raise running.refused(error) from error
        self.stdout.write(f"{run} ends when the phase in hand is complete.")
