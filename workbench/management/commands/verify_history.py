"""Check the hash chain of every engagement's history."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workbench.engagements.history import breaks
from workbench.engagements.models import AuditEntry, Engagement


class Command(BaseCommand):
    """Names every break of a chain; exit code 1 where there is one."""

    help = "Checks the hash chain of every engagement's history, and names each break. Exit code 1 where one is found."

    def add_arguments(self, parser: CommandParser) -> None:
        """Engagements by slug, all by default."""
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="Engagements to check; all by default.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, and say how many entries held."""
        engagements = Engagement.objects.order_by("slug")
        if options["slugs"]:
            engagements = engagements.filter(slug__in=options["slugs"])
            if unknown := set(options["slugs"]) - set(engagements.values_list("slug", flat=True)):
                raise CommandError(f"There is no engagement {', '.join(sorted(unknown))}.")
        broken = sum(self._check(engagement) for engagement in engagements)
        if broken:
            raise CommandError(f"{broken} breaks. The database was changed behind the workbench: compare with a backup.")

    def _check(self, engagement: Engagement) -> int:
        found = 0
        for said in breaks(engagement):
            found += 1
            self.stderr.write(f"{engagement.slug}: {said}")
        if not found:
            self.stdout.write(f"{engagement.slug}: {AuditEntry.objects.filter(engagement=engagement).count()} entries, the chain holds.")
        return found
