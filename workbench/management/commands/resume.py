"""`manage.py resume RUN`: go on where a run stopped."""

from argparse import ArgumentParser

from django.contrib.auth.models import User

from loads import runs
from loads.models import Run
from workbench.management import running


class Command(running.RunCommand):
    """The same as the button on the run's page."""

    help = f"Resume a run where it stopped: nothing is sent twice. {running.EXIT_CODES}"
    said = "{run} goes on where it was."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to wait, too."""
        super().add_arguments(parser)
        parser.add_argument("--wait", action="store_true", help="tell its progress until it ends or stands still")

    def act(self, run: Run, user: User) -> None:
        """Let it go on."""
        runs.resume(run, user)
