"""What the commands that control runs have in common: which run, and how it is followed."""

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from loads import progress, stalls
from loads.models import Run
from workbench.engagements import clock
from workbench.engagements.errors import WorkbenchError
from workbench.management import environments

LOOK_S = 1.0
NOT_DONE = 3  # the exit code where what was asked for was carried out and came to another end than done
EXIT_CODES = "Exit codes: 0 done, 1 refused (the message says why and what to do), 2 wrong arguments, 3 ended otherwise."


def run_of(text: str) -> Run:
    """The run with this number or key. Raises CommandError."""
    runs = Run.objects.select_related("engagement", "environment__engagement", "environment__connection")
    run = runs.filter(key=text).first() or (runs.filter(pk=text).first() if text.isdecimal() else None)
    if run is None:
        raise CommandError(f"There is no run {text}. `manage.py runs` lists them.")
    return run


class RunCommand(BaseCommand):
    """A command that does with a run what a button on its page does."""

    said: str  # once it is done; {run} stands for it

    def act(self, run: Run, user: User) -> None:
        """Do it. Raises WorkbenchError."""
        raise NotImplementedError

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run, and in whose name."""
        parser.add_argument("run", metavar="RUN", help="its number or its key")
        environments.add_user(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and say so."""
        run, user = run_of(options["run"]), environments.user_of(options)
        try:
            self.act(run, user)
        except WorkbenchError as error:
            raise refused(error) from error
        self.stdout.write(self.said.format(run=run))
        if options.get("wait"):
            follow(run, self.stdout.write)


def refused(error: WorkbenchError) -> CommandError:
    """An error of ours as a command says it."""
    return CommandError(f"{error} {error.remedy}".strip())


def state_line(run: Run) -> str:
    """A run in one line: number, key, where to, state, how far, and while it loads how fast and how long still."""
    now = clock.now()
    phases = progress.phases(run, now)
    pace = progress.of_run(phases, now) if run.state == Run.State.LOADING else progress.Pace()
    done, planned = sum(item.done for item in phases), sum(item.planned for item in phases)
    where = f"{run.environment.engagement.slug}/{run.environment.kind}"
    told = [f"{done:,} of {planned:,} rows", *filter(None, (pace.rate_text, pace.left_text))]
    if run.state == Run.State.STAGING:
        told = [progress.staging(run, now).words]
    return f"{run.pk:>5}  {run.key}  {where:<34}  {run.get_state_display():<8}  {', '.join(told)}"


def stands(run: Run) -> str:
    """Why a run doesn't move, though a worker may be at it; '' while it does."""
    now = clock.now()
    return progress.standstill(run, now) or stalls.stalled(run, progress.phases(run, now), now)


def follow(run: Run, say: Callable[[str], Any]) -> None:
    """Tell what a run does until it ends or stands still. Raises CommandError (exit code 3) unless it is done."""
    said = ""
    while True:
        run.refresh_from_db()
        line, reason = state_line(run), stands(run)
        told = f"{line}  {reason}".rstrip()
        if told != said:
            say(told)
            said = told
        if run.state in (*Run.FINISHED, Run.State.PAUSED):
            break
        time.sleep(LOOK_S)
    if run.state != Run.State.DONE:
        raise CommandError(f"{run} is {run.get_state_display().lower()}. {run.message}".strip(), returncode=NOT_DONE)
