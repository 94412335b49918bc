"""`manage.py purge_engagement SLUG`: what names people goes or becomes a keyed hash; sums, hashes and signatures stay."""

from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand

from connectors import store
from reports.models import Document
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement
from workbench.management import environments, running
from workbench.pipeline.following import carry_through
from workbench.privacy import certificate, purging
from workbench.privacy.models import Purge
from workbench.privacy.survey import FILES, GOES, KEPT, REMOVED, ROWS, Survey, survey


class Command(BaseCommand):
    """Shows in counts what goes and what stays, asks for the slug, and purges; one that was cut off is gone on with."""

    help = f"Remove the personal data of an engagement for good. It can't be taken back. {running.EXIT_CODES}"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which engagement, and whether anything may be asked."""
        parser.add_argument("engagement", metavar="SLUG", help="its slug")
        parser.add_argument("--dry-run", action="store_true", help="show what would go and what would stay")
        parser.add_argument("--yes", action="store_true", help="purge without asking for the slug")
        parser.add_argument("--json", action="store_true", help="tell what was done as JSON")
        environments.add_user(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Show, ask, purge, tell."""
        engagement, user = environments.engagement_of(options["engagement"]), environments.user_of(options)
        say = self.stderr.write if options["json"] else self.stdout.write
        try:
            found = survey(engagement)
            self._show(found, say)
            if options["dry_run"] or not (options["yes"] or self._word_given(engagement)):
                say("Nothing was done.")
                return
            carry_through(purging.request(engagement, user), say)
        except WorkbenchError as error:
            raise running.refused(error) from error
        self._tell(engagement, options)

    def _show(self, found: Survey, say: Any) -> None:
        for line in found.of(*GOES, KEPT):
            say(f"{line.fate:<14} {line.count:>10,} {line.unit + 's' * (line.count != 1):<5} {line.name}: {line.holds or line.why}")
        for missing in found.missing:
            say(f"Missing: {missing.says}")
        say(f"{found.total(ROWS, *GOES):,} rows and {found.total(FILES, REMOVED):,} files go or become hashes. It can't be taken back.")

    def _word_given(self, engagement: Engagement) -> bool:
        try:
            return input(f"To purge it, write {engagement.slug}: ").strip() == engagement.slug
        except EOFError:
            return False

    def _tell(self, engagement: Engagement, options: dict[str, Any]) -> None:
        purge = Purge.objects.get(engagement=engagement)
        written = Document.objects.filter(engagement=engagement, kind=certificate.KIND).newest()
        paths = {document.format: str(store.root() / document.path) for document in written}
        if options["json"]:
            self.stdout.write(orjson.dumps({"counts": purge.counts, "entry": purge.entry, "certificate": paths}).decode())
            return
        for name, count in purge.counts.items():
            self.stdout.write(f"{count:>10,}  {name}")
        self.stdout.write(
            f"{engagement} is purged; entry {purge.entry} of the history tells of it. Certificate: {', '.join(paths.values())}"
        )
