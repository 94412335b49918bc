"""`manage.py remove_schema ENVIRONMENT`: what was provisioned is taken away again, where it is empty and nothing else depends on it."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from loads.removal import opening
from loads.removal.models import SchemaRemoval, newest
from loads.removal.survey import name_of
from workbench.engagements import signoffs
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Environment
from workbench.management import environments, running
from workbench.pipeline import steps
from workbench.pipeline.following import follow
from workbench.pipeline.models import Step


class Command(BaseCommand):
    """Plans and shows; then asks for a word in the sandbox, and for production waits for the customer's signature in the portal."""

    help = (
        "Show what of the provisioned schema would go and what would stay, and remove it once that is agreed to. "
        f"Needs running workers to remove. {running.EXIT_CODES}"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The environment, and whether anything may be asked."""
        environments.add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="plan and show only")
        parser.add_argument("--yes", action="store_true", help="in a sandbox: agree to the plan without asking for the word")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, or go on with what was agreed to."""
        environment, user = environments.environment_of(options), environments.user_of(options)
        try:
            removal = newest(environment)
            if options["dry_run"] or not (removal and removal.is_open):
                removal = opening.propose(environment, actor=user)
                self._show(removal)
                if options["dry_run"] or not self._agreed(removal, user, options):
                    return
            follow(steps.request(environment.engagement, Step.Name.REMOVE, environment=environment, user=user), self.stdout.write)
        except WorkbenchError as error:
            raise running.refused(error) from error
        removal.refresh_from_db()
        self._tell(removal)

    def _show(self, removal: SchemaRemoval) -> None:
        for one in removal.components:
            rows = "" if one["rows"] is None else f"{one['rows']:,} rows"
            said = one["reason"] or "empty, nothing else depends on it"
            self.stdout.write(f"{one['verdict']:<6}  {name_of(one['kind'], one['table'], one['column'])}  {rows}  {said}")
        keep = len(removal.components) - len(removal.to_remove)
        self.stdout.write(f"{removal}: {len(removal.to_remove)} to remove, {keep} to keep. Nothing was sent yet.")

    def _agreed(self, removal: SchemaRemoval, user: User, options: dict[str, Any]) -> bool:
        opening.require_taken_back(removal.environment)
        if removal.environment.is_production:
            said = "In production the customer's approver signs this plan in the portal. Then run the command again."
            raise CommandError(said, returncode=running.NOT_DONE)
        if not options["yes"] and not self._word_given(removal.environment):
            self.stdout.write("Not begun.")
            return False
        opening.agree(removal, user, shown_sha256=signoffs.content_hash(opening.content(removal)))
        return True

    def _word_given(self, environment: Environment) -> bool:
        word = environment.get_kind_display()
        try:
            given = input(f"To agree, write the word {word}: ")
        except EOFError:
            return False
        return given.strip().casefold() == word.casefold()

    def _tell(self, removal: SchemaRemoval) -> None:
        for name, came in removal.outcomes.items():
            if came["outcome"] == SchemaRemoval.KEPT:
                self.stdout.write(f"kept    {name}  {came['reason']}")
        self.stdout.write(f"{removal}: {removal.count(SchemaRemoval.REMOVED)} removed, {removal.count(SchemaRemoval.KEPT)} kept after all.")
