"""`manage.py page_times ROWS`: milliseconds of pages over large tables, as JSON. `manage.py bench --pages` has a database for it."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workbench.engagements.models import Engagement


class Command(BaseCommand):
    """Fills the crosswalk and the exceptions of one run, and asks for each page."""

    help = "Write so many rows into an empty database, and print the milliseconds of each page that shows them as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many rows."""
        parser.add_argument("rows", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        """Fill, ask and print."""
        if Engagement.objects.exists():
            raise CommandError("The database has engagements. Name an empty one by DATABASE_URL, and migrate it first.")
        from workbench.management import page_bench  # loads every page

        self.stdout.write(json.dumps(page_bench.measure(options["rows"]), indent=2))
