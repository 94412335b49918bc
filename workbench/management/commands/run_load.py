"""`manage.py run_load ENVIRONMENT`: open a run."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from workbench.engagements.errors import WorkbenchError
from workbench.management import environments, running
from workbench.pipeline import steps
from workbench.pipeline.models import Step


class Command(BaseCommand):
    """The same as the button on the engagement's page: the gates, then a run that the workers of the queue carry out."""

    help = f"Load the plan into an environment. {running.EXIT_CODES}"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to, in whose name, and whether to wait."""
        environments.add_arguments(parser)
        parser.add_argument("--wait", action="store_true", help="tell its progress and end with it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Open it."""
        environment, user = environments.environment_of(options), environments.user_of(options)
        try:
            steps.request(environment.engagement, Step.Name.LOAD, environment=environment, user=user)
        except WorkbenchError as error:
            raise running.refused(error) from error
        run = environment.runs.latest("pk")
        self.stdout.write(f"{run} is queued ({run.key}); the workers of the queue (manage.py qcluster) carry it out.")
        if options["wait"]:
            running.follow(run, self.stdout.write)
