import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msal
import pytest
import requests

from connectors.simulators.servers import Options, start
from tests import simulated

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return simulated.world(tmp_path_factory.mktemp("served"), people=60)


STARTING = """if True:
    import json, sys, time
    from pathlib import Path
    from connectors.simulators.servers import Options, start
    with start(Options(data=Path(sys.argv[1]), only=["iterable"])) as running:
        print(json.dumps(running.addresses), flush=True)
        time.sleep(60)
"""


def python(*options, temporary):
    command = [sys.executable, *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)})


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


def test_the_command_prints_where_the_servers_are_and_puts_everything_away_when_asked_to_end(tmp_path):
    with python("manage.py", "simulate", "--people", "20", "--only", "iterable", temporary=tmp_path) as process:
        line = json.loads(process.stdout.readline())
        key = {"Api-Key": line["credentials"]["iterable"]}
        rows = requests.get(f"{line['iterable']}/api/export/data.json?dataTypeName=user&range=All", headers=key, timeout=10)
        assert len(rows.content.splitlines()) == 20
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert not is_up(line["iterable"])
        assert not list(tmp_path.iterdir())


def test_servers_end_with_the_process_that_started_them_even_if_it_is_killed(folder, tmp_path):
    with python("-c", STARTING, str(folder), temporary=tmp_path) as process:
        address = json.loads(process.stdout.readline())["iterable"]
        assert is_up(address)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert goes_down(address)


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_servers_have_fixed_places_above_a_port_base(folder):
    # Below the ports that systems give to connections, so that none of the busy machine's is in the way.
    base = next(port for port in range(20_000 + os.getpid() % 1_000 * 10, 32_000, 10) if not _taken(port + 3))
    with start(Options(data=folder, only=["iterable"], port_base=base), as_threads=True) as running:
        assert running.addresses["iterable"] == f"http://127.0.0.1:{base + 3}"


def test_a_client_signs_in_with_what_the_address_line_says_and_each_organisation_takes_its_own_tokens(folder):
    with simulated.start(folder) as servers, requests.Session() as session:
        session.trust_env, session.verify = False, servers.ca
        client = msal.ConfidentialClientApplication(
            servers.credentials["client_id"],
            client_credential=servers.credentials["client_secret"],
            authority=servers.entra,
            http_client=session,
            instance_discovery=False,
        )
        token = client.acquire_token_for_client([f"{servers.dataverse}/.default"])["access_token"]
        answers = [
            session.get(f"{address}/api/data/v9.2/WhoAmI", headers={"Authorization": f"Bearer {token}"})
            for address in (servers.dataverse, servers.dataverse_sandbox)
        ]
        assert [answer.status_code for answer in answers] == [200, 401]
        assert servers.stats("dataverse")["requests"] == {"GET /api/data/v9.2/WhoAmI": 1}
        servers.fault("entra", {"path": "token", "do": "status", "status": 503})
        with pytest.raises(msal.exceptions.MsalServiceError, match="503"):
            client.acquire_token_for_client([f"{servers.dataverse_sandbox}/.default"])


def test_the_certificate_authority_stays_where_state_is_kept(folder, tmp_path):
    seen = []
    for _ in range(2):
        with start(Options(data=folder, only=["dataverse"], state=tmp_path), as_threads=True) as running:
            seen.append(Path(running.addresses["ca"]).read_bytes())
    assert seen[0] == seen[1]


def test_an_unknown_simulator_is_named(folder):
    with pytest.raises(ValueError, match="sparkcrn"):
        start(Options(data=folder, only=["iterable", "sparkcrn"]))


@pytest.mark.parametrize("line", [b"no JSON", b"[]", b'{"lastname": "without an id"}'])
def test_a_row_of_a_destination_that_can_not_be_served_is_named(tmp_path, line):
    (tmp_path / "dataverse").mkdir()
    row = b'\xef\xbb\xbf{"contactid": "00000000-0000-0000-0000-000000000001", "lastname": "Lind"}'
    (tmp_path / "dataverse" / "contact.ndjson").write_bytes(row + b"\n" + line + b"\n")
    with pytest.raises(ValueError, match=r"contact\.ndjson:2: "):
        start(Options(data=tmp_path, only=["dataverse"]), as_threads=True)
