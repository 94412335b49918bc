"""`manage.py runs`: the runs with state, progress and reason."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from loads import progress
from loads.models import Run
from workbench.engagements import clock
from workbench.management.running import state_line


class Command(BaseCommand):
    """The newest first."""

    help = "List runs: number, key, environment, state, rows settled, and why one stands still."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Of which engagement, and how many."""
        parser.add_argument("engagement", nargs="?", metavar="ENGAGEMENT", help="the engagement's slug; all without it")
        parser.add_argument("--last", type=int, default=20, metavar="N", help="at most so many")

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        runs = Run.objects.select_related("environment__engagement").order_by("-pk")
        if options["engagement"]:
            runs = runs.filter(engagement__slug=options["engagement"])
        found = list(runs[: max(0, options["last"])])
        if not found:
            self.stdout.write("There is no run.")
        for run in found:
            self.stdout.write(state_line(run))
            if reason := progress.standstill(run, clock.now()):
                self.stdout.write(f"       {reason}")
