"""Ranks the built-in columns of a table for field names, without an engagement and without a database."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mapping.likeness import Likeness
from mapping.likeness.builtin import columns_of
from workbench.engagements.errors import WorkbenchError


class Command(BaseCommand):
    """manage.py propose TABLE --fields FILE [--json]."""

    help = "Proposes columns of a Dataverse table for the field names in a file, one a line."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The table and the names."""
        parser.add_argument("table", help="logical name, such as contact")
        parser.add_argument("--fields", required=True, help="file with a field name a line; - for the standard input")
        parser.add_argument("--json", action="store_true", help="print JSON: a list of {field, candidates}")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the candidates of each field, best first."""
        try:
            likeness = Likeness(options["table"], columns_of(options["table"]))
            names = _names(options["fields"])
        except (WorkbenchError, OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{error} {getattr(error, 'remedy', 'Give a readable UTF-8 text file.')}") from error
        ranked = [(name, likeness.rank(name)) for name in names]
        if options["json"]:
            content = [{"field": name, "candidates": [one.as_dict() for one in found]} for name, found in ranked]
            self.stdout.write(json.dumps(content, indent=1, ensure_ascii=False))
            return
        for name, found in ranked:
            self.stdout.write(name)
            for one in found:
                self.stdout.write(f"  {one.score:.2f}  {one.column:<32} {' '.join(one.reasons)}")


def _names(file: str) -> list[str]:
    """The file's lines without blank ones; a byte order mark, as spreadsheets write it, doesn't count."""
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    return [line.strip() for line in text.splitlines() if line.strip()]
