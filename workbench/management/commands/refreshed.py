"""`manage.py refreshed ENVIRONMENT`: the environment was copied anew; what the crosswalk says is there is looked up."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workbench.engagements.errors import WorkbenchError
from workbench.management import environments
from workbench.pipeline import steps
from workbench.pipeline.following import follow
from workbench.pipeline.models import Step


class Command(BaseCommand):
    """Asks for the step and waits for it; workers carry it out."""

    help = "Say that an environment was copied anew: rows that are gone are planned again. Needs running workers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The environment."""
        environments.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Look at every table that rows are known of."""
        environment, user = environments.environment_of(options), environments.user_of(options)
        try:
            follow(steps.request(environment.engagement, Step.Name.REFRESH, environment=environment, user=user), self.stdout.write)
        except WorkbenchError as error:
            raise CommandError(f"{error} {error.remedy}") from error
        self.stdout.write("Provision the environment again, then start its load.")
