"""`manage.py erase_person SLUG --id ID | --email EMAIL`: one person's traces go, and they stay out of what is loaded later."""

from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand

from connectors import store
from reports.models import Document
from workbench.engagements.errors import WorkbenchError
from workbench.management import environments, running
from workbench.pipeline.following import carry_through
from workbench.privacy import erasing, erasure_record
from workbench.privacy.models import Erasure


class Command(BaseCommand):
    """Finds all ids and addresses of the person, and erases; one that was cut off is gone on with."""

    help = (
        "Take one person's data out of an engagement: store, crosswalk, exceptions, samples, documents. Rows at the destination stay; "
        f"the record lists their ids. {running.EXIT_CODES}"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom, and from which engagement."""
        parser.add_argument("engagement", metavar="SLUG", help="its slug")
        person = parser.add_mutually_exclusive_group(required=True)
        person.add_argument("--id", help="the person's id at the source")
        person.add_argument("--email", help="the person's e-mail address")
        parser.add_argument("--json", action="store_true", help="tell what was done as JSON")
        environments.add_user(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase, and tell."""
        engagement, user = environments.engagement_of(options["engagement"]), environments.user_of(options)
        say = self.stderr.write if options["json"] else self.stdout.write
        try:
            erasure, step = erasing.request(engagement, options["id"] or options["email"], user)
            carry_through(step, say)
        except WorkbenchError as error:
            raise running.refused(error) from error
        erasure.refresh_from_db()
        self._tell(erasure, options)

    def _tell(self, erasure: Erasure, options: dict[str, Any]) -> None:
        written = Document.objects.filter(engagement=erasure.engagement, kind=erasure_record.KIND, written_at=erasure.requested_at)
        paths = {document.format: str(store.root() / document.path) for document in written}
        if options["json"]:
            told = {"names": len(erasure.names), "counts": erasure.counts, "entry": erasure.entry, "record": paths}
            self.stdout.write(orjson.dumps(told).decode())
            return
        for name, count in sorted(erasure.counts.items()):
            self.stdout.write(f"{count:>10,}  {name}")
        nothing = "No trace was found; the name is on the register. " if not erasure.counts else ""
        self.stdout.write(f"{nothing}Entry {erasure.entry} of the history tells of it. Record: {', '.join(paths.values())}")
