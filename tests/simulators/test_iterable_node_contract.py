"""The vendor's own client, npm `@iterable/api`, reads the simulator: it checks the shape of every answer.

Known exceptions, where the published description and the client disagree: sent messages in the description's form (the simulator keeps
none), and templates by client id with locales as objects (the world's have none).
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from connectors.simulators import iterable as simulator
from connectors.simulators.world import write_world
from tests import simulated

CLIENT = Path(__file__).parents[1] / "clients" / "iterable"
ANSWERS: dict[str, Any] = {
    "getLists": ["Dynamic", "Internal", "Standard", "Suppression"],
    "getListUsers": True, "getListSize": True, "getListPreviewUsers": 3, "getChannels": 6, "getMessageTypes": 8,
    "getUserByEmail": "userId", "getUserByUserId": "email", "getUserFields": "string",
    "getUserEventsByEmail": 2, "getUserEventsByUserId": 2,
    "getSentMessages": 0, "getCampaigns": [7101, 7102, 7103, 7104, 7105], "getAllCampaigns": 40, "getCampaign": "campaign",
    "getChildCampaigns": True, "getCampaignMetrics": ["sent"], "getJourneys": 3, "getTemplates": 4,
    "getEmailTemplate": "string", "getPushTemplate": "string", "getSMSTemplate": "string", "getInAppTemplate": "string",
    "getTemplateByClientId": 1, "getSnippets": 5, "getSnippet": "footer", "getCatalogs": 4, "getCatalogFieldMappings": True,
    "getCatalogItems": 5, "getCatalogItem": "item", "getExportJobs": 1,
    "export": {"state": "completed", "keys": ["email", "userId"], "after": 0},
}  # fmt: skip
ERRORS = {"throttled": 429, "wrongKey": 401, "wrongList": 400}


@pytest.fixture(scope="module")
def ids(tmp_path_factory) -> dict[str, Any]:
    """A small world, and what the calls ask for in it."""
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, 200, 3)
    iterable = folder / "iterable"
    events = [json.loads(line) for line in (iterable / "export" / "customEvent.ndjson").read_text().splitlines()]
    known = {row["email"] for row in map(json.loads, (iterable / "export" / "user.ndjson").read_text().splitlines()) if row.get("email")}
    who = next(row for row in events if row.get("email") in known and row.get("userId"))
    sent = {line.split(",")[0] for line in (iterable / "campaigns" / "metrics.csv").read_text().splitlines()[1:]}
    templates = {
        f"{medium}_template": min(int(path.stem) for path in (iterable / "templates" / medium).glob("*.json"))
        for medium in ("email", "push", "sms", "inapp")
    }
    return {
        "folder": str(folder), "list": 4201, "email": who["email"], "userId": who["userId"], "campaign": 7101, "recurring": 7108,
        "sent": int(min(sent)), "client_template": "base-0", "catalog": "products", "item": "P-1000", **templates,
    }  # fmt: skip


@pytest.fixture(scope="module")
def told(ids) -> dict[str, Any]:
    """Call -> {"answer"} or {"error", "says", "status"}."""
    node = installed()
    with simulated.serve(simulator.build_app(Path(ids["folder"]), api_key="a-key")) as address:
        environment = {**os.environ, "BASE_URL": address, "API_KEY": "a-key", "IDS": json.dumps(ids)}
        done = subprocess.run([node, "contract.mjs"], cwd=CLIENT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def installed() -> str:
    """Path of Node.js, the client installed beside the script as its lock file says."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        stop = pytest.fail if os.environ.get("REQUIRE_NODE") == "1" else pytest.skip
        stop("The vendor's client needs Node.js: apt-get install nodejs npm.")
    lock, made = CLIENT / "package-lock.json", CLIENT / "node_modules" / ".package-lock.json"
    if not made.exists() or made.stat().st_mtime < lock.stat().st_mtime:
        done = subprocess.run([npm, "ci", "--prefer-offline"], cwd=CLIENT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    return str(node)


@pytest.mark.parametrize("call", ANSWERS)
def test_the_vendors_client_reads_what_it_asks_for(told, ids, call):
    expected = ANSWERS[call]
    if isinstance(expected, str):
        expected = ids.get(expected, expected)
    if expected == ["sent"]:
        expected = [str(ids["sent"])]
    assert told[call] == {"answer": expected}


@pytest.mark.parametrize("call", ERRORS)
def test_errors_are_the_vendors_own(told, call):
    assert (told[call]["error"], told[call]["status"]) == ("IterableApiError", ERRORS[call])
