"""`manage.py pause RUN`: stop sending after the chunks in hand."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from loads import runs
from workbench.engagements.errors import WorkbenchError
from workbench.management import environments, running


class Command(BaseCommand):
    """The same as the button on the run's page."""

    help = f"Pause a run: nothing is sent after the chunks in hand. {running.EXIT_CODES}"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run, and in whose name."""
        parser.add_argument("run", metavar="RUN", help="its number or its key")
        environments.add_user(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        run, user = running.run_of(options["run"]), environments.user_of(options)
        try:
            runs.pause(run, user)
        except WorkbenchError as error:
            raise running.refused(error) from error
        self.stdout.write(f"{run} pauses after the chunks in hand; resume goes on with the next.")
