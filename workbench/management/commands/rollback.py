"""`manage.py rollback RUN`: plan the rollback of a run, show it, and carry it out once it is agreed to."""

import os
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from loads import engine, rollback, runs
from loads.ledger import LeaseLost
from loads.models import Run
from loads.rollback import outlook
from loads.rollback.scope import Scope, parse_record
from workbench.engagements.errors import WorkbenchError

COUNTS = ("planned", "removed", "restored", "kept", "refused")


class Command(BaseCommand):
    """Takes part in the work itself, beside whatever workers run."""

    help = "Take back what a run loaded: planned by reading the destination, then begun by your word. It ends a load that stands still."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The run, what of it, and how far to go."""
        parser.add_argument("run", metavar="RUN", help="a load by its number or run id, or a rollback that is planned or stands still")
        parser.add_argument("--table", action="append", default=[], metavar="T", help="only this table; may be repeated")
        parser.add_argument(
            "--phase", action="append", default=[], type=int, metavar="N", help="only this phase of the load; may be repeated"
        )
        parser.add_argument("--record", action="append", default=[], metavar="OBJECT:ID", help="only this record; may be repeated")
        parser.add_argument("--dry-run", action="store_true", help="end with the plan; nothing is sent")
        parser.add_argument("--yes", action="store_true", help="begin without asking")
        parser.add_argument("--user", metavar="NAME", help="who asks for it; else who asked for the load")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, show, ask, carry out; the exit code is 0 where all that was planned has an outcome and the destination agrees."""
        try:
            run = self._run(options)
            user = self._user(options, run)
            if not run.is_rollback:
                scope = Scope(tuple(options["table"]), tuple(options["phase"]), tuple(map(parse_record, options["record"])))
                run = rollback.open_rollback(run, user, scope)
            elif run.state == Run.State.PAUSED and (run.agreed_at or not run.measured_at):
                runs.resume(run, user)
            self._work(run)
            if run.agreed_at is None:
                self._show(run)
                if options["dry_run"] or not self._agreed(run, options):
                    return
                rollback.agree(run, user)
                self._work(run)
        except WorkbenchError as error:
            raise CommandError(f"{error} {error.remedy}".strip()) from error
        self._tell(run)

    def _run(self, options: dict[str, Any]) -> Run:
        named = options["run"]
        found = Run.objects.select_related("environment__engagement", "engagement", "undoes")
        run = found.filter(key=named).first() or (found.filter(pk=int(named)).first() if named.isdecimal() else None)
        if run is None:
            raise CommandError(f"There is no run {named}.")
        return run

    def _user(self, options: dict[str, Any], run: Run) -> User:
        if not options["user"]:
            return run.requested_by
        user = get_user_model().objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']}.")
        return user

    def _work(self, run: Run) -> None:
        """Take part until the run ends or stands still."""
        worker = f"{os.uname().nodename}:{os.getpid()}:rollback"
        more = True
        while more:
            try:
                more = engine.work(run.pk, worker, settings.WORK_SECONDS)
            except LeaseLost:
                time.sleep(1)
            finally:
                engine.release(worker)
        run.refresh_from_db()

    def _show(self, run: Run) -> None:
        if run.measured_at is None:
            raise CommandError(run.message or f"{run} isn't planned yet.")
        plan = outlook.content(run)
        self.stdout.write(f"{run}: {plan['scope']}")
        head = ("phase", "object", "table", "kind", "remove", "restore", "keep")
        rows = [[str(phase[{"phase": "number"}.get(name, name)]) for name in head] for phase in plan["phases"]]
        widths = [max(len(row[n]) for row in [list(head), *rows]) for n in range(len(head))]
        for row in [list(head), *rows]:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        for line in outlook.lines(run):
            for code, count, words in line.reasons:
                self.stdout.write(f"{line.phase.table}: {count} kept, {code}: {words}")
        if plan["followers"]:
            going = ", ".join(f"{count} of {table}" for table, count in sorted(plan["followers"].items()))
            self.stdout.write(f"Rows that the service made itself go along: {going}")
        self.stdout.write(f"It takes about {plan['takes']}, by the pace of the load. Nothing was sent yet.")

    def _agreed(self, run: Run, options: dict[str, Any]) -> bool:
        if options["yes"]:
            return True
        word = run.environment.get_kind_display()
        try:
            given = input(f"To begin, write the word {word}: ")
        except EOFError:
            given = ""
        if given.strip().casefold() == word.casefold():
            return True
        self.stdout.write(f"Not begun. The plan stays: manage.py rollback {run.pk} --yes")
        return False

    def _tell(self, run: Run) -> None:
        counts = {name: sum(getattr(phase, name) for phase in run.phases.all()) for name in COUNTS}
        self.stdout.write(f"{run}: {run.get_state_display().lower()}: {', '.join(f'{name} {count}' for name, count in counts.items())}")
        if run.state != Run.State.DONE:
            raise CommandError(run.message or f"{run} is {run.get_state_display().lower()}.")
