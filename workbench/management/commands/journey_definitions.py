"""`manage.py journey_definitions ENGAGEMENT FILE [--check]`: takes the customer's journey definition file, or names its mistakes."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mapping.journeys import definition, keeping
from mapping.journeys.definition import DefinitionMistaken
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement

ACTOR = "manage.py journey_definitions"


class Command(BaseCommand):
    """Takes a definition file as the newest version; with a mistake nothing is taken."""

    help = "Take a journey definition file (docs/journeys.md has its shape) as an engagement's newest version, or name all its mistakes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The engagement and the file."""
        parser.add_argument("engagement", metavar="ENGAGEMENT", help="the engagement's slug, as in its addresses")
        parser.add_argument("file", metavar="FILE", type=Path, help="the JSON file")
        parser.add_argument("--check", action="store_true", help="name its mistakes and take nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, keep, and say what came of it. Mistakes go to the error output, one a line."""
        engagement = Engagement.objects.filter(slug=options["engagement"]).first()
        if engagement is None:
            raise CommandError(f"There is no engagement {options['engagement']}.")
        try:
            self.stdout.write(self._taken(engagement, options["file"], check=options["check"]))
        except DefinitionMistaken as mistaken:
            for mistake in mistaken.mistakes:
                self.stderr.write(str(mistake))
            raise CommandError(f"{mistaken.count:,} mistakes. {mistaken.remedy}") from mistaken
        except WorkbenchError as error:
            raise CommandError(f"{error} {error.remedy}") from error

    def _taken(self, engagement: Engagement, path: Path, *, check: bool) -> str:
        content = _read(path)
        if check:
            journeys = definition.read(content, engagement.platform)
            return f"The file is sound: {len(journeys)} journeys. Nothing was taken."
        kept = keeping.keep(engagement, content, file_name=path.name, actor=ACTOR)
        return f"Version {kept.version} counts now: {kept.journeys} journeys with {kept.steps} steps, SHA-256 {kept.sha256}."


def _read(path: Path) -> bytes:
    """As much of the file as tells whether it is too large. Raises CommandError."""
    try:
        with path.open("rb") as file:
            return file.read(definition.MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.") from error
