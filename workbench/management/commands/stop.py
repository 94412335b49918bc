"""`manage.py stop RUN`: end a run at a safe point."""

from django.contrib.auth.models import User

from loads import runs
from loads.models import Run
from workbench.management import running


class Command(running.RunCommand):
    """The same as the button on the run's page."""

    help = f"End a run when its phase in hand is sent whole, read back and balanced. {running.EXIT_CODES}"
    said = "{run} ends when the phase in hand is complete."

    def act(self, run: Run, user: User) -> None:
        """End it."""
        runs.stop(run, user)
