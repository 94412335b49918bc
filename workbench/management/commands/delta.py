"""`manage.py delta ENVIRONMENT`: what changed at the source is extracted, and a run into the environment opened."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loads.models import Run
from workbench.engagements.errors import WorkbenchError
from workbench.management import environments
from workbench.pipeline import steps
from workbench.pipeline.following import follow
from workbench.pipeline.models import Step


class Command(BaseCommand):
    """Asks for the two steps and waits for the first; workers carry them out."""

    help = "Extract what changed at the source since the last extraction and open a run into an environment. Needs running workers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The environment, and whether everything is to be fetched."""
        environments.add_arguments(parser)
        parser.add_argument("--full", action="store_true", help="fetch everything instead of what changed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Extract, then open the run."""
        environment, user = environments.environment_of(options), environments.user_of(options)
        name = Step.Name.EXTRACT if options["full"] else Step.Name.DELTA
        try:
            follow(steps.request(environment.engagement, name, user=user), self.stdout.write)
            steps.request(environment.engagement, Step.Name.LOAD, environment=environment, user=user)
        except WorkbenchError as error:
            raise CommandError(f"{error} {error.remedy}") from error
        run = Run.objects.filter(environment=environment).latest("pk")
        self.stdout.write(f"{run} is {run.get_state_display().lower()}; its page in the admin tells how it goes.")
