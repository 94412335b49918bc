"""What the commands that control runs have in common: which run, which environment, in whose name, and how it is followed."""

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.utils import timezone

from loads import progress
from loads.models import Run
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Environment

LOOK_S = 1.0
NOT_DONE = 3  # the exit code where what was asked for was carried out and came to another end than done
EXIT_CODES = "Exit codes: 0 done, 1 refused (the message says why and what to do), 2 wrong arguments, 3 ended otherwise."


def add_user(parser: ArgumentParser) -> None:
    """The option that says in whose name the history keeps it."""
    parser.add_argument("--user", help="in whose name; may be left out where there is one superuser only")


def user_of(name: str | None) -> User:
    """The user who acts. Raises CommandError."""
    found = User.objects.filter(is_active=True)
    users = list(found.filter(username=name) if name else found.filter(is_superuser=True)[:2])
    if not users and name:
        raise CommandError(f"There is no active user {name}.")
    if len(users) != 1:
        raise CommandError("Say in whose name: --user NAME.")
    return users[0]


def run_of(text: str) -> Run:
    """The run with this number or key. Raises CommandError."""
    runs = Run.objects.select_related("engagement", "environment__engagement", "environment__connection")
    run = runs.filter(key=text).first() or (runs.filter(pk=text).first() if text.isdecimal() else None)
    if run is None:
        raise CommandError(f"There is no run {text}. `manage.py runs` lists them.")
    return run


def environment_of(text: str) -> Environment:
    """The environment written as engagement:sandbox or engagement:production. Raises CommandError."""
    slug, _, kind = text.partition(":")
    found = Environment.objects.select_related("engagement", "connection").filter(engagement__slug=slug, kind=kind).first()
    if found is None:
        known = [f"{one.engagement.slug}:{one.kind}" for one in Environment.objects.select_related("engagement")]
        raise CommandError(f"There is no environment {text}. There are: {', '.join(sorted(known)) or 'none'}.")
    return found


def refused(error: WorkbenchError) -> CommandError:
    """An error of ours as a command says it."""
    return CommandError(f"{error} {error.remedy}".strip())


def state_line(run: Run) -> str:
    """A run in one line: number, key, where to, state, how far."""
    phases = progress.phases(run, timezone.now())
    done, planned = sum(item.done for item in phases), sum(item.planned for item in phases)
    where = f"{run.environment.engagement.slug}:{run.environment.kind}"
    return f"{run.pk:>5}  {run.key}  {where:<34}  {run.get_state_display():<8}  {done:,} of {planned:,} rows"


def follow(run: Run, say: Callable[[str], Any]) -> None:
    """Tell what a run does until it ends or stands still. Raises CommandError (exit code 3) unless it is done."""
    said = ""
    while True:
        run.refresh_from_db()
        now = timezone.now()
        line, reason = state_line(run), progress.standstill(run, now)
        told = f"{line}  {reason}".rstrip()
        if told != said:
            say(told)
            said = told
        if run.state in (*Run.FINISHED, Run.State.PAUSED):
            break
        time.sleep(LOOK_S)
    if run.state != Run.State.DONE:
        raise CommandError(f"{run} is {run.get_state_display().lower()}. {run.message}".strip(), returncode=NOT_DONE)
