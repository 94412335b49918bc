"""`manage.py data_quality ENGAGEMENT`: the data-quality report of the newest run, counted anew, as JSON."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loads.quality import measure, newest
from reports.quality import content
from workbench.engagements.models import Engagement


class Command(BaseCommand):
    """Counts what staging said of the newest run's records again; decisions stay."""

    help = "Count the data-quality report of an engagement's newest run again and print it as JSON, with the seconds that it took."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The engagement."""
        parser.add_argument("engagement", metavar="ENGAGEMENT", help="the engagement's slug, as in its addresses")

    def handle(self, *args: Any, **options: Any) -> None:
        """Count and print."""
        engagement = Engagement.objects.filter(slug=options["engagement"]).first()
        run = newest(engagement) if engagement else None
        if run is None:
            raise CommandError(f"{options['engagement']} has no run that is staged. Start the load of the sandbox first.")
        started = time.monotonic()
        measure(run)
        seconds = round(time.monotonic() - started, 2)
        self.stdout.write(json.dumps({**content(run), "seconds": seconds}, indent=2, ensure_ascii=False))
