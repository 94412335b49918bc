import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from connectors.simulators.servers import Options, start
from tests import simulated

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return simulated.world(tmp_path_factory.mktemp("served"), people=60)


def simulate(*options):
    return subprocess.Popen([sys.executable, "manage.py", "simulate", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def is_up(address):
    try:
        return requests.get(f"{address}/_simulator/health", timeout=5).ok
    except requests.ConnectionError:
        return False


def goes_down(address):
    until = time.monotonic() + 10
    while is_up(address) and time.monotonic() < until:
        time.sleep(0.05)
    return not is_up(address)


def test_the_command_prints_where_the_servers_are_and_ends_cleanly_when_asked_to():
    with simulate("--people", "20", "--only", "iterable") as process:
        line = json.loads(process.stdout.readline())
        key = {"Api-Key": line["credentials"]["iterable"]}
        rows = requests.get(f"{line['iterable']}/api/export/data.json?dataTypeName=user&range=All", headers=key, timeout=10)
        assert len(rows.content.splitlines()) == 20
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert not is_up(line["iterable"])


def test_servers_end_with_the_process_that_started_them_even_if_it_is_killed(folder):
    with simulate("--data", str(folder), "--only", "iterable") as process:
        address = json.loads(process.stdout.readline())["iterable"]
        assert is_up(address)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert goes_down(address)


def test_servers_have_fixed_places_above_a_port_base(folder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        base = free.getsockname()[1]
    with start(Options(data=folder, only=["iterable"], port_base=base), as_threads=True) as running:
        assert running.addresses["iterable"] == f"http://127.0.0.1:{base + 3}"


def test_an_unknown_simulator_is_named(folder):
    with pytest.raises(ValueError, match="sparkcrn"):
        start(Options(data=folder, only=["iterable", "sparkcrn"]))
