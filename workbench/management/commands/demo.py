"""`manage.py demo`: a whole engagement against simulators, on the embedded defaults, with progress shown."""

import json
import os
import socket
import tempfile
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from connectors.registry import SOURCES
from connectors.simulators.servers import NotStarted, Options, start
from connectors.simulators.world import write_world
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import PLATFORMS, Environment
from workbench.management.cluster import TaskCluster, task_cluster
from workbench.management.crash import Crash
from workbench.management.later import move_on
from workbench.management.pages import serve_pages
from workbench.management.proof import canonical_dumps, rollback_summary
from workbench.management.stopping import leaving_on_signals
from workbench.pipeline import demonstration, opening
from workbench.pipeline.summary import summary as summary_of

SCALE = 60  # simulators with scaled limits have windows this much shorter
PORTS = range(8000, 8100)


class Command(BaseCommand):
    """From discovery to handoff in one command."""

    help = "Play a whole engagement against simulators and serve the admin and the portal afterwards."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options; without any, 2,000 people of a made-up company."""
        parser.add_argument("--source", default="iterable", choices=[*(name for name, _ in PLATFORMS), "all"])
        parser.add_argument("--people", type=int, default=2000)
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--data", type=Path, metavar="DIR", help="serve this folder instead of a made-up company")
        parser.add_argument(
            "--endpoints", type=Path, metavar="FILE", help="the line that `simulate` prints: use simulators that run already"
        )
        parser.add_argument("--names", type=Path, metavar="FILE", help="also --settings: names that the demo assumes, as JSON")
        parser.add_argument("--rollback", action="store_true", help="take the production run back at the end, and prove it")
        parser.add_argument("--no-serve", action="store_true", help="end after the job")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary here")

    def handle(self, *args: Any, **options: Any) -> None:
        """Play every platform asked for; the exit code is 0 where every phase balances and all that the demonstration shows came about."""
        names = [name for name in SOURCES] if options["source"] == "all" else [options["source"]]
        if unsupported := [name for name in names if name not in SOURCES]:
            raise CommandError(f"There is no connector for {', '.join(unsupported)} yet; there is one for {', '.join(SOURCES)}.")
        if options["people"] < 0:
            raise CommandError("--people can't be negative.")
        if options["json"] and not (options["json"].parent.is_dir() and not options["json"].is_dir()):
            raise CommandError(f"--json: {options['json']} can't be written: name a file in a folder that exists.")
        self.started, self.missed = time.monotonic(), list[str]()
        try:
            self._play(names, options)
        except (WorkbenchError, NotStarted) as error:
            raise CommandError(f"{error} {getattr(error, 'remedy', '')}".strip()) from error

    def _play(self, names: list[str], options: Mapping[str, Any]) -> None:
        chosen = opening.read_settings(options["names"])
        self.say("preparing the database")
        call_command("migrate", verbosity=0, interactive=False)
        with leaving_on_signals(), ExitStack() as stack:
            addresses = self._simulators(stack, options, names)
            cluster = stack.enter_context(task_cluster())
            memory = stack.enter_context(peak_memory(cluster))
            summary: dict[str, Any] = {
                "phases": [],
                "crash": None,
                "delta": None,
                "documents": [],
                "findings": [],
                "verified": {},
                "tuning": [],
                "assumptions": [],
            }
            try:
                casts = [self._play_one(name, addresses, chosen, summary, rollback=options["rollback"]) for name in names]
            finally:
                summary |= {"seconds": round(time.monotonic() - self.started, 2), "peak_rss_mb": round(memory(), 1)}
                summary |= {"admin": None, "portal": None}
                _write(summary, options["json"])  # of a job that failed too: what came of it until then
            port = None if options["no_serve"] else free_port()
            if port:
                summary["admin"] = {"url": f"http://127.0.0.1:{port}/admin/", "user": casts[-1].engineer.username}
                summary["portal"] = {"url": f"http://127.0.0.1:{port}/", "user": casts[-1].approver.username}
                _write(summary, options["json"])
            self._tell(summary)
            if port:
                self._serve(port, casts[-1])
        if not all(one["balanced"] for one in [*summary["phases"], *filter(None, [summary["delta"]])]):
            raise CommandError("A phase doesn't balance.")
        if not summary.get("rollback", {"proved": True})["proved"]:
            raise CommandError("After the rollback the destination isn't as it was before the load.")
        if self.missed:
            raise CommandError(" ".join(self.missed))

    def _play_one(
        self, name: str, addresses: Mapping[str, Any], chosen: Mapping[str, str], summary: dict[str, Any], *, rollback: bool
    ) -> opening.Cast:
        """Play one platform's engagement; what came of it is added to the summary, however it ends."""
        engagement, cast = opening.open_engagement(name, addresses, chosen)
        before: dict[str, dict[str, bytes]] = {}
        crash = Crash(self.say)

        def dump(environment: Environment) -> None:
            """Before each load of production: the newest one is rolled back."""
            if rollback and environment.is_production:
                before.clear()
                before.update(canonical_dumps(environment))

        try:
            demonstration.play(engagement, cast, self.say, before_load=dump, while_loading=crash.look, sample=True)
            demonstration.load_changes(engagement, cast, self.say, partial(move_on, addresses), dump)
            demonstration.hand_off(engagement, cast, self.say)
            if rollback:
                run = demonstration.roll_back(engagement, cast, self.say)
                summary["rollback"] = rollback_summary(run, before)
                self.say(f"After the rollback every table is as before: {summary['rollback']['proved']}")
        finally:
            add(summary, summary_of(engagement))
            summary["crash"] = crash.content() or summary["crash"]
        self.missed += filter(None, [crash.missed()])
        return cast

    def _simulators(self, stack: ExitStack, options: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
        if options["endpoints"]:
            return _scaled(_read_endpoints(options["endpoints"], names))
        data = options["data"]
        if data is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="world-")))
            self.say(f"making up a company of {options['people']} people")
            write_world(data, options["people"], options["seed"])
        elif not data.is_dir():
            raise CommandError(f"There is no folder {data}.")
        self.say("starting the simulators")
        return _scaled(stack.enter_context(start(Options(data=data, limits="scaled"))).addresses)

    def say(self, text: str) -> None:
        """One line of progress with the seconds since the start."""
        self.stdout.write(f"{time.monotonic() - self.started:6.1f} s  {text}")
        self.stdout.flush()

    def _tell(self, summary: Mapping[str, Any]) -> None:
        head = ("environment", "object", "table", "extracted", "loaded", "merged", "documented", "skipped", "rejected", "held", "balanced")
        rows = [[str(phase[name] if phase[name] is not None else "-") for name in head] for phase in summary["phases"]]
        widths = [max(len(row[n]) for row in [list(head), *rows]) for n in range(len(head))]
        self.stdout.write("")
        for row in [list(head), *rows]:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
        if crash := summary["crash"]:
            figures = f"{crash['chunks_in_flight']} chunks in flight, {crash['repeated_rows']} rows sent again"
            self.stdout.write(f"\nkilled in mid-load, in {crash['environment']}: a worker at {crash['phase']}; {figures}")
        if delta := summary["delta"]:
            told = ", ".join(f"{delta[name]} {name}" for name in ("new", "changed", "deleted", "conflicts"))
            self.stdout.write(f"\nchanged later, in {delta['environment']}: {told}; {'balanced' if delta['balanced'] else 'not balanced'}")
        self.stdout.write("")
        for document in summary["documents"]:
            self.stdout.write(f"{document['kind']} ({document['format']}): {document['path']}")
        self.stdout.write(f"done in {summary['seconds']} s, at most {summary['peak_rss_mb']} MB in one process")

    def _serve(self, port: int, cast: opening.Cast) -> None:
        address = f"http://127.0.0.1:{port}"
        self.stdout.write(f"\nadmin:  {address}/admin/  user {cast.engineer.username}, password {cast.engineer_password}")
        self.stdout.write(f"portal: {address}/        user {cast.approver.username}, password {cast.approver_password}")
        self.stdout.write("Stop with Ctrl-C.")
        self.stdout.flush()
        serve_pages(port)


def _read_endpoints(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """The line that `simulate` printed, with all that the demo needs of it. Raises CommandError."""
    try:
        addresses = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise CommandError(f"The endpoints file can't be read: {error}") from error
    if not isinstance(addresses, dict):
        raise CommandError("The endpoints file isn't one JSON object: give the line that `manage.py simulate` prints.")
    credentials = addresses.get("credentials")
    credentials = credentials if isinstance(credentials, dict) else {}
    missing = [name for name in ("dataverse", "dataverse_sandbox", "entra", "ca", *names) if not addresses.get(name)]
    missing += [f"credentials.{name}" for name in ("client_id", "client_secret", *names) if not credentials.get(name)]
    if missing:
        raise CommandError(f"The endpoints file lacks {', '.join(missing)}: give the whole line that `manage.py simulate` prints.")
    if not Path(addresses["ca"]).is_file():
        raise CommandError(f"The certificate {addresses['ca']} isn't there: the simulators of this endpoints file don't run any more.")
    return addresses


def add(summary: dict[str, Any], told: Mapping[str, Any]) -> None:
    """Add what came of one engagement to the summary: lists follow each other, counts are summed, an assumption stands once."""
    for key, value in told.items():
        if key == "delta":
            summary[key] = _both(summary[key], value) if summary[key] and value else summary[key] or value
        elif isinstance(value, Mapping):
            summary[key] = {name: summary[key].get(name, 0) + count for name, count in value.items()}
        else:
            summary[key] += [entry for entry in value if entry not in summary[key]] if key == "assumptions" else value


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The deltas of two engagements as one: what is counted is summed, and both must balance."""
    sums = {name: value + other[name] for name, value in one.items() if type(value) is int}
    return {**one, **sums, "balanced": one["balanced"] and other["balanced"]}


def _write(summary: Mapping[str, Any], path: Path | None) -> None:
    if path:
        path.write_text(json.dumps(summary, indent=2, ensure_ascii=False), encoding="utf-8")


def _scaled(addresses: Mapping[str, Any]) -> dict[str, Any]:
    """The addresses with each source's published limits scaled as the simulators' are."""
    from connectors.iterable.source import LIMITS

    return {**addresses, "limits": {bucket: [calls, seconds / SCALE] for bucket, (calls, seconds) in LIMITS.items()}}


@contextmanager
def peak_memory(cluster: TaskCluster) -> Iterator:
    """Watch the product's processes; yields a function that tells the largest resident size seen of any one, in MB."""
    seen: dict[int, float] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.25):
            for pid in [os.getpid(), *_tree(cluster.pid)]:
                seen[pid] = max(seen.get(pid, 0.0), _peak_mb(pid))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: max(seen.values(), default=_peak_mb(os.getpid()))
    finally:
        done.set()
        thread.join()


def _tree(pid: int) -> list[int]:
    """A process and its descendants; empty on systems without /proc."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(found for child in children for found in _tree(int(child)))]


def _peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def free_port() -> int:
    """The first port from 8000 on that nobody listens on."""
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise CommandError("No port from 8000 to 8099 is free.")
