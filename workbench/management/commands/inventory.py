"""`manage.py inventory ENGAGEMENT NAME FORMAT`: writes one inventory, and says as JSON how long that took and how much memory."""

import json
import re
import resource
import time
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement

# The module of each and what writes it in a format; the one that is asked for is loaded alone, since its memory is measured.
INVENTORIES = {"journeys": "reports.journeys", "templates": "reports.templates", "catalogs": "reports.catalog_xref"}
FORMATS = {"pdf": "write_pdf", "xlsx": "write_workbook", "json": "write"}


class Command(BaseCommand):
    """Writes one document of an engagement, as the hand-off does."""

    help = "Write an inventory of an engagement; print its place, size, seconds and peak memory in MB as JSON, with what was used before."
    requires_system_checks: list[str] = []  # they load every page

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The engagement and the document."""
        parser.add_argument("engagement", metavar="ENGAGEMENT", help="the engagement's slug, as in its addresses")
        parser.add_argument("name", choices=INVENTORIES)
        parser.add_argument("format", choices=FORMATS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write and print."""
        engagement = Engagement.objects.filter(slug=options["engagement"]).first()
        if engagement is None:
            raise CommandError(f"There is no engagement {options['engagement']}.")
        write = getattr(import_module(INVENTORIES[options["name"]]), FORMATS[options["format"]])
        before, started = _peak_mb(), time.monotonic()
        try:
            document = write(engagement)
        except WorkbenchError as error:
            raise CommandError(f"{error} {error.remedy}") from error
        seconds = round(time.monotonic() - started, 2)
        told = {"path": document.path, "sha256": document.sha256, "bytes": document.size, "seconds": seconds}
        memory = {"peak_rss_mb": _peak_mb(), "of_it_before_mb": before}
        self.stdout.write(json.dumps({"inventory": options["name"], "format": options["format"], **told, **memory}))


def _peak_mb() -> int:
    """The larger one of this process and of the typesetter that it started, on Linux.

    Its own isn't taken from getrusage, which begins at what the process that started it had used. Source: man 5 proc, VmHWM.
    """
    [own] = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
    return max(int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024
