"""`manage.py resume RUN`: go on where a run stopped."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from loads import runs
from workbench.engagements.errors import WorkbenchError
from workbench.management import environments, running


class Command(BaseCommand):
    """The same as the button on the run's page."""

    help = f"Resume a run where it stopped: nothing is sent twice. {running.EXIT_CODES}"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run, in whose name, and whether to wait."""
        parser.add_argument("run", metavar="RUN", help="its number or its key")
        parser.add_argument("--wait", action="store_true", help="tell its progress until it ends or stands still")
        environments.add_user(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        run, user = running.run_of(options["run"]), environments.user_of(options)
        try:
            runs.resume(run, user)
        except WorkbenchError as error:
            raise running.refused(error) from error
        self.stdout.write(f"{run} goes on where it was.")
        if options["wait"]:
            running.follow(run, self.stdout.write)
