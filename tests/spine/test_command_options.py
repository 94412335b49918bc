"""`manage.py demo` given what it can't use: told at once in words, before anything is made or moved."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from workbench.engagements.checks import folder_of_the_defaults
from workbench.engagements.errors import BadInput
from workbench.management.commands.demo import _read_endpoints, add
from workbench.pipeline import opening

SHOWN = Path(__file__).parents[2] / ".ci" / "shown.py"
SUMMARY = {
    "verified": {"rows": 3, "done": 1, "wrong": 0, "lookups_wrong": 0, "undone": 0},
    "crash": {"chunks_in_flight": 1},
    "delta": {"balanced": True, "new": 1, "changed": 1},
    "rollback": {"proved": True, "removed": 2},
    "tuning": [{"environment": "production", "users": [{}], "tables": [{}]}],
}
LINE = {
    "dataverse": "http://127.0.0.1:1",
    "dataverse_sandbox": "http://127.0.0.1:2",
    "entra": "https://127.0.0.1:3/tenant",
    "iterable": "http://127.0.0.1:4",
    "credentials": {"client_id": "id", "client_secret": "secret", "iterable": "key"},
}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"people": -1}, "can't be negative"),
        ({"json": "nowhere/summary.json"}, "can't be written"),
        ({"json": "."}, "can't be written"),
        ({"source": "salesmate"}, "no connector for salesmate"),
    ],
)
def test_an_option_that_cannot_work_is_refused_at_once(tmp_path, options, said):
    arguments = [f"--{name}={tmp_path / value if name == 'json' else value}" for name, value in options.items()]
    with pytest.raises(CommandError, match=said):
        call_command("demo", "--no-serve", *arguments)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1], "isn't one JSON object"),
        ({"dataverse": "http://127.0.0.1:1"}, "lacks dataverse_sandbox, entra, ca, iterable, credentials.client_id"),
        (LINE | {"ca": "/nowhere/ca.pem"}, "don't run any more"),
        (LINE | {"ca": "/nowhere/ca.pem", "credentials": "none"}, "lacks credentials.client_id"),
    ],
)
def test_an_endpoints_file_that_lacks_something_is_told(tmp_path, content, said):
    path = tmp_path / "endpoints.json"
    path.write_text(json.dumps(content))
    with pytest.raises(CommandError, match=said):
        _read_endpoints(path, ["iterable"])


def test_settings_that_are_no_text_are_told(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"lifecycle_field": 5, "zones": {"day_zone": "UTC"}}))
    with pytest.raises(BadInput, match="aren't text: lifecycle_field"):
        opening.read_settings(path)


@pytest.mark.django_db
def test_a_prefix_that_no_publisher_may_have_is_told(tmp_path):
    with pytest.raises(BadInput, match="prefix: 2 to 8 lower-case letters"):
        opening.open_engagement("iterable", LINE, {"prefix": "9x"})


def test_a_folder_of_defaults_that_cannot_be_made_stops_the_start(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with override_settings(VAR_DIR=file / "var"):
        assert "can't be made a folder" in folder_of_the_defaults(None)[0].msg
    with override_settings(VAR_DIR=tmp_path / "new"):
        assert folder_of_the_defaults(None) == []


def test_what_came_of_several_platforms_is_added_up():
    summary = {"phases": [], "documents": [], "findings": [], "verified": {}, "assumptions": []}
    told = {"phases": [{"object": "user"}], "documents": [], "findings": [], "verified": {"rows": 3, "wrong": 0}, "assumptions": ["One."]}
    add(summary, told)
    add(summary, told)
    assert (len(summary["phases"]), summary["verified"], summary["assumptions"]) == (2, {"rows": 6, "wrong": 0}, ["One."])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"crash": None}, "crash: null"),
        ({"rollback": None, "tuning": []}, "rollback: null"),
        ({"verified": SUMMARY["verified"] | {"wrong": 1}}, '"wrong": 1'),
        ({"delta": SUMMARY["delta"] | {"balanced": False}}, '"balanced": false'),
    ],
)
def test_a_demonstration_that_does_not_show_all_that_it_should_fails_the_change(tmp_path, change, said):
    path = tmp_path / "out.json"
    path.write_text(json.dumps(SUMMARY | change))
    done = subprocess.run([sys.executable, SHOWN, path], capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (1 if change else 0, True)
