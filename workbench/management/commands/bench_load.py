"""`manage.py bench_load`: figures of the load engine as JSON; nothing here passes or fails by a time."""

import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from workbench.management.cluster import task_cluster

INSIDE = "BENCH_FOLDER"
SERVICE = {"hint": 8, "slots": None, "latency_ms": 40, "row_ms": 1}
IDLE = {"hint": 8, "slots": None, "latency_ms": 0, "row_ms": 0}
UNFAILING: Mapping[str, Any] = {"faults": []}
FAILING = {
    "faults": [{"path": "/api/data", "do": "lose", "rate": 0.1}, {"path": "/api/data", "do": "status", "status": 503, "rate": 0.05}],
    "seed": 1,
}


class Command(BaseCommand):
    """Loads staged rows into a simulated environment, in a database and a store of its own."""

    help = (
        "Measure the load engine: against Microsoft's client, under service protection, with several users, with faults, at size, killed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Parts and sizes."""
        parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}, with commas between")
        parser.add_argument("--rows", type=int, default=20_000, help="rows of each load")
        parser.add_argument("--large", type=int, default=200_000, help="rows of the large load, which is compared with half of it")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure in a process whose database and store are new ones, and print."""
        folder = os.environ.get(INSIDE)
        if folder:
            self._inside(Path(folder), options)
            return
        with tempfile.TemporaryDirectory(prefix="bench-load-") as name:
            database = os.environ.get("DATABASE_URL", f"sqlite:///{name}/workbench.sqlite3?timeout=10")
            environment = {
                INSIDE: name,
                "VAR_DIR": name,
                "STORE_URL": f"{name}/store",
                "DATABASE_URL": database,
                "DOCUMENTS_AT_ONCE": "false",
            }
            command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "bench_load", "--parts", options["parts"]]
            command += ["--rows", str(options["rows"]), "--large", str(options["large"])]
            done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ours
        if done.returncode:
            raise CommandError("The bench ended with an error.")
        if options["json"]:
            options["json"].write_text(done.stdout, encoding="utf-8")
        self.stdout.write(done.stdout)

    def _inside(self, folder: Path, options: Mapping[str, Any]) -> None:
        from workbench.management import load_bench  # needs the settings of this process

        call_command("migrate", verbosity=0, interactive=False)
        figures: dict[str, Any] = {}
        for state in (None, folder / "state"):
            if names := [name for name in options["parts"].split(",") if (name in KEEPING) == bool(state)]:
                with load_bench.prepared(folder, state) as bench, task_cluster() as cluster:
                    figures |= {name: self._measured(name, bench, cluster, options) for name in names}
        self.stdout.write(json.dumps(figures, indent=2))

    def _measured(self, name: str, bench: Any, cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        self.stderr.write(f"measuring {name}")
        bench.share(1)
        bench.control("faults", UNFAILING)
        bench.control("limits", {"pace": "none"})
        return PARTS[name](bench, cluster, options)


def _throughput(bench: Any, cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """At 40 ms a request and 1 ms a row, beside Microsoft's client."""
    from workbench.management import load_bench

    bench.control("capacity", SERVICE)
    ours = load_bench.load(bench, options["rows"], cluster)
    theirs = load_bench.microsoft(bench, max(5_000, options["rows"] // 10))
    return {
        "workbench": ours,
        "microsoft": theirs,
        "times_sync": round(ours["rows_a_second"] / theirs["sync_rows_a_second"], 2),
        "times_async": round(ours["rows_a_second"] / theirs["async_rows_a_second"], 2),
        "reading_share_of_sending": round(ours["reading_s"] / ours["sending_s"], 3),
    }


def _cpu(bench: Any, cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Without latency: the product's CPU per row that it sends, ledger and all, beside the bare loop of Microsoft's client."""
    from workbench.management import load_bench

    bench.control("capacity", IDLE)
    ours, theirs = load_bench.load(bench, options["rows"] * 5, cluster), load_bench.microsoft(bench, options["rows"])
    times = round(ours["sending_cpu_us_per_row"] / theirs["sync_cpu_us_per_row"], 2)
    return {"workbench": ours, "microsoft": theirs, "times_cpu": times}


def _users(bench: Any, cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """One, two and four application users, at the second that a call of 100 rows takes in the field: so the machine isn't what binds."""
    from workbench.management import load_bench

    bench.control("capacity", SERVICE | {"row_ms": 10})
    found = {}
    for users in (1, 2, 4):
        bench.share(users)
        found[users] = load_bench.load(bench, options["rows"] // 2 * users, cluster)
    bench.share(1)
    return {"loads": found, "times": {users: round(one["rows_a_second"] / found[1]["rows_a_second"], 2) for users, one in found.items()}}


def _windows(bench: Any, cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Under the service-protection windows, ten times shorter."""
    from workbench.management import load_bench

    bench.control("capacity", SERVICE)
    bench.control("limits", {"pace": "real", "window_s": 30, "execution_s": 120, "requests": 600})
    bench.limited(30)
    found = load_bench.load(bench, options["rows"] * 15, cluster)
    bench.limited(None)
    return found


def _faults(bench: Any, cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """10 % of answers lost and 5 % refused with 503, beside the same load undisturbed."""
    from workbench.management import load_bench

    bench.control("capacity", IDLE)
    calm = load_bench.load(bench, options["rows"], cluster)
    bench.control("faults", FAILING)
    disturbed = load_bench.load(bench, options["rows"], cluster)
    return {"calm": calm, "disturbed": disturbed, "times_requests": round(disturbed["requests"] / calm["requests"], 2)}


def _size(bench: Any, cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """A large load beside one of a tenth of it."""
    from workbench.management import load_bench

    bench.control("capacity", IDLE)
    small, large = (load_bench.load(bench, rows, cluster) for rows in (options["large"] // 10, options["large"]))
    return {"small": small, "large": large, "times_per_row": round(large["us_per_row"] / small["us_per_row"], 3)}


def _kills(bench: Any, cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Disturbed in mid-load in every way: whether the destination ends as undisturbed, and what was done twice."""
    from workbench.management import kill_bench

    stage = kill_bench.Stage(bench, cluster, options["rows"])
    return {"undisturbed": stage.calm, **{kind: stage.disturbed(kind) for kind in kill_bench.KINDS}}


PARTS: Mapping[str, Callable[[Any, Any, Mapping[str, Any]], dict[str, Any]]] = {
    "throughput": _throughput,
    "cpu": _cpu,
    "users": _users,
    "windows": _windows,
    "faults": _faults,
    "size": _size,
    "kills": _kills,
}
KEEPING = {"kills"}  # whose destinations keep what they answered, which costs them time
