"""`manage.py pause RUN`: stop sending after the chunks in hand."""

from django.contrib.auth.models import User

from loads import runs
from loads.models import Run
from workbench.management import running


class Command(running.RunCommand):
    """The same as the button on the run's page."""

    help = f"Pause a run: nothing is sent after the chunks in hand. {running.EXIT_CODES}"
    said = "{run} pauses after the chunks in hand; resume goes on with the next."

    def act(self, run: Run, user: User) -> None:
        """Pause it."""
        runs.pause(run, user)
