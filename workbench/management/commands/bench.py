"""`manage.py bench`: the figures of the main job at several sizes, as JSON; nothing here passes or fails by a time."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from itertools import product
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from workbench.management.footprint import bytes_per_row
from workbench.management.inventories import write_many

STEPS = """
    SELECT s.name, coalesce(e.kind, ''), (julianday(s.finished_at) - julianday(s.started_at)) * 86400
    FROM pipeline_step s LEFT JOIN engagements_environment e ON e.id = s.environment_id WHERE s.name <> 'load'
"""
RUNS = """
    SELECT e.kind, (julianday((SELECT min(started_at) FROM loads_phase p WHERE p.run_id = r.id)) - julianday(r.started_at)) * 86400,
           (julianday(r.finished_at) - julianday((SELECT min(started_at) FROM loads_phase p WHERE p.run_id = r.id))) * 86400
    FROM loads_run r JOIN engagements_environment e ON e.id = r.environment_id
"""


class Command(BaseCommand):
    """Plays the demonstration at each size in a folder of its own, on the embedded defaults, and reads its clocks."""

    help = "Measure the main job: time of each step, per person too, peak memory, bytes per row loaded, the data-quality report."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Sizes in people."""
        parser.add_argument("--people", default="2000,20000,100000", help="sizes, with commas between; '' for none")
        parser.add_argument(
            "--inventories", type=int, default=0, metavar="N", help="measure the inventories of N journeys and N templates too"
        )
        parser.add_argument(
            "--pages",
            type=int,
            nargs="?",
            const=1_000_000,
            default=0,
            metavar="N",
            help="time the pages over N crosswalk rows and exceptions",
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and print."""
        figures: dict[str, Any] = {"sizes": [self._measure(int(size)) for size in options["people"].split(",") if size]}
        if options["inventories"]:
            figures["inventories"] = self._inventories(options["inventories"])
        if options["pages"]:
            figures["pages"] = self._pages(options["pages"])
        text = json.dumps(figures, indent=2)
        if options["json"]:
            options["json"].write_text(text, encoding="utf-8")
        self.stdout.write(text)

    def _measure(self, people: int) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            summary = Path(folder) / "summary.json"
            _manage(folder, "demo", "--no-serve", "--people", str(people), "--json", str(summary))
            told = json.loads(summary.read_text(encoding="utf-8"))
            quality = _manage(folder, "data_quality", "demo-iterable")
            return {
                "people": people,
                "seconds": told["seconds"],
                "peak_rss_mb": told["peak_rss_mb"],
                "balanced": all(phase["balanced"] for phase in told["phases"]),
                "quality_report_seconds": json.loads(quality)["seconds"],
                "database_mb": _size_mb(Path(folder), "*.sqlite3*"),
                "store_mb": _size_mb(Path(folder) / "store", "**/*.parquet"),
                "bytes_per_row": bytes_per_row(Path(folder) / "workbench.sqlite3", Path(folder) / "store"),
                "steps": _steps(Path(folder) / "workbench.sqlite3", people),
            }

    def _inventories(self, count: int) -> list[dict[str, Any]]:
        """Seconds, memory and size of each inventory, each written by a process of its own."""
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            world = Path(folder) / "world"
            definition = write_many(world, count)
            _manage(folder, "demo", "--no-serve", "--data", str(world))
            _manage(folder, "journey_definitions", "demo-iterable", str(definition))
            written = product(("journeys", "templates"), ("pdf", "xlsx"))
            return [json.loads(_manage(folder, "inventory", "demo-iterable", name, form)) for name, form in written]

    def _pages(self, rows: int) -> dict[str, Any]:
        """Milliseconds of each page that shows rows of large tables."""
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            _manage(folder, "migrate", "--verbosity", "0")
            told: dict[str, Any] = json.loads(_manage(folder, "page_times", str(rows)))
            return told


def _manage(folder: str, *command: str) -> str:
    """What a command printed that ran on the embedded defaults in a folder. Raises CommandError with what it said instead."""
    places = {"VAR_DIR": folder, "STORE_URL": f"{folder}/store", "DATABASE_URL": f"sqlite:///{folder}/workbench.sqlite3"}
    line = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *command]
    done = subprocess.run(line, env=os.environ | places, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise CommandError(done.stderr[-2000:] or done.stdout[-2000:])
    return done.stdout


def _size_mb(folder: Path, pattern: str) -> float:
    return round(sum(path.stat().st_size for path in folder.glob(pattern)) / 1e6, 1)


def _steps(database: Path, people: int) -> list[dict[str, Any]]:
    """Seconds of each step, and microseconds per person: what must not rise with the size."""
    with sqlite3.connect(database) as con:
        clocks = [(name, kind, seconds) for name, kind, seconds in con.execute(STEPS)]
        for kind, staging, loading in con.execute(RUNS):
            clocks += [("staging", kind, staging), ("loading", kind, loading)]
    con.close()
    return [
        {"step": name, "environment": kind or None, "seconds": round(seconds, 2), "us_per_person": round(seconds / people * 1e6, 1)}
        for name, kind, seconds in clocks
        if seconds is not None
    ]
