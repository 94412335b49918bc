"""`manage.py rehearse RUN|ENVIRONMENT`: which staged rows the service would refuse, without a write; the score once the run is over."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loads import quality
from loads.destination import Destination
from loads.models import Phase, Rehearsal, Run
from loads.rehearsal import predicting, scoring
from workbench.engagements.errors import WorkbenchError


class Command(BaseCommand):
    """Rehearses a run that is staged and has sent nothing; of one that has, tells what was predicted before."""

    help = "Hold every row of a staged run against the destination as it is, without a write, and print what would be refused, as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The run, or the environment whose newest run is meant."""
        parser.add_argument("target", metavar="RUN|ENVIRONMENT", help="a run's number or key, or ENGAGEMENT/sandbox, ENGAGEMENT/production")

    def handle(self, *args: Any, **options: Any) -> None:
        """Predict where nothing was sent yet, and print."""
        run = _run(options["target"])
        started = time.monotonic()
        if run.state not in Run.FINISHED and not quality.has_begun(run):
            self._rehearse(run)
        told = scoring.content(run)
        if told is None:
            raise CommandError(f"{run} was loaded without a rehearsal.")
        names = {"run": run.key, "environment": run.environment.kind, "state": run.state}
        self.stdout.write(json.dumps({**names, **told, "took": round(time.monotonic() - started, 2)}, indent=2, ensure_ascii=False))

    def _rehearse(self, run: Run) -> None:
        if run.state in (Run.State.QUEUED, Run.State.STAGING) or not Phase.objects.filter(run=run).exists():
            raise CommandError(f"{run} isn't staged yet; it is rehearsed when it is.")
        destination = Destination(run.environment)
        try:
            predicting.begin(run, asked=Rehearsal.objects.filter(run=run, asked=True).exists())
            predicting.predict_here(run, destination, lambda: self.stderr.write("…"))
        except WorkbenchError as error:
            raise CommandError(f"{error} {error.remedy}") from error


def _run(target: str) -> Run:
    """The run that is meant. Raises CommandError."""
    runs = Run.objects.select_related("engagement", "environment__connection", "environment__engagement")
    slug, slash, kind = target.partition("/")
    if slash:
        found = runs.filter(engagement__slug=slug, environment__kind=kind).order_by("-pk").first()
    else:
        found = runs.filter(key=target).first() or (runs.filter(pk=target).first() if target.isdecimal() else None)
    if found is None:
        raise CommandError(f"There is no run {target}. Give a run's number or key, or ENGAGEMENT/sandbox.")
    return found
