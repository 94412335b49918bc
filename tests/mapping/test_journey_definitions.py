"""The journey definition file: what is sound is taken as it is, every mistake is named with its place, and nothing is half taken."""

import json

import pytest
from django.core.management import CommandError, call_command

from connectors.journeys import Reference
from mapping.journeys import keeping
from mapping.journeys.definition import FORMAT, MOST_BYTES, STEP, TOLD, DefinitionMistaken, read
from mapping.journeys.models import JourneyDefinition
from mapping.journeys.words import Described, Path, Step
from tests.pages import cast
from workbench.engagements.models import AuditEntry

WELCOME = {
    "id": 55,
    "name": "Welcome",
    "trigger": {"kind": "event", "names": ["signup"]},
    "reentry": "once",
    "limits": {"lifetime": 1, "simultaneous": None},
    "complete": True,
    "steps": [
        {"id": "hello", "kind": "send", "channel": "email", "campaign": 71, "catalogs": [{"catalog": "products", "item": "P-1"}]},
        {"id": "pause", "kind": "wait", "wait": "3 days", "next": "opened"},
        {"id": "opened", "kind": "branch", "branches": [{"when": "opened", "to": "end"}, {"when": "else", "to": "hello"}]},
    ],
}


def file(*journeys, **more) -> bytes:
    return json.dumps({"format": FORMAT, "journeys": list(journeys), **more}).encode()


def mistakes(content: bytes) -> list[str]:
    with pytest.raises(DefinitionMistaken) as raised:
        read(content, "iterable")
    return [str(one) for one in raised.value.mistakes]


def test_a_sound_file_is_read_in_its_order_with_numbers_as_ids():
    assert read(b"\xef\xbb\xbf" + file(WELCOME, platform="iterable"), "iterable") == (
        Described(
            id="55", name="Welcome", trigger="event", names=("signup",), reentry="once", lifetime=1, complete=True,
            steps=(
                Step("hello", "send", channel="email", campaign="71", catalogs=(Reference("products", "P-1"),)),
                Step("pause", "wait", wait="3 days", paths=(Path("", "opened"),)),
                Step("opened", "branch", paths=(Path("opened", "end"), Path("else", "hello"))),
            ),
        ),
    )  # fmt: skip


def test_every_mistake_of_a_file_is_named_at_once_with_its_place():
    steps = [
        {"id": "a", "kind": "send", "chanel": "email", "next": "nowhere"},
        {"id": "a", "kind": "teleport"},
        {"id": "end", "kind": "wait", "campaign": True, "wait": 3},
        {"id": 1.5, "kind": "branch", "branches": [{"when": " ", "to": "gone"}], "next": "a"},
        7,
    ]
    journeys = [{"id": "1", "trigger": {"kind": ["event"], "names": "signup"}, "limits": {"lifetime": 0}, "steps": steps}, {"id": 1}]
    assert sorted(mistakes(file(*journeys, format="other", platform="customerio", by="me"))) == sorted([
        "by: isn't known; known are format, platform, exported, journeys",
        f"format: must be '{FORMAT}'",
        "platform: is 'customerio', and the engagement's source is iterable",
        "journeys[0].name: is missing",
        "journeys[0].trigger.kind: is a list; known are event, list, segment, profile, schedule, api, manual, other",
        "journeys[0].trigger.names: must be a list, and is a text",
        "journeys[0].limits.lifetime: must be a whole number of 1 or more, or null",
        f"journeys[0].steps[0].chanel: isn't known; known are {', '.join(STEP)}",
        "journeys[0].steps[0]: sends a message and has no channel",
        "journeys[0].steps[0].next: leads to no step of the journey: 'nowhere'",
        "journeys[0].steps[1].kind: is 'teleport'; known are send, wait, branch, split, ai, update, list, webhook, other",
        "journeys[0].steps[1].id: is that of a step before it: 'a'",
        "journeys[0].steps[2].campaign: must be a text or a whole number, and is true or false",
        "journeys[0].steps[2].wait: must be a text, and is a number",
        "journeys[0].steps[2]: waits and doesn't say how long",
        "journeys[0].steps[2].id: can't be 'end', which stands for the journey's end",
        "journeys[0].steps[3].id: must be a text or a whole number, and is a number",
        "journeys[0].steps[3].branches[0].when: is empty",
        "journeys[0].steps[3].branches[0].to: leads to no step of the journey: 'gone'",
        "journeys[0].steps[3].next: stands beside branches; a step has one or the other",
        "journeys[0].steps[4]: must be an object, and is a number",
        "journeys[1].name: is missing",
        "journeys[1].id: is that of a journey before it: '1'",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1, column 1: isn't JSON: Expecting value"),
        (b'{"format": 1,\n}', "line 2, column 1: isn't JSON: Expecting property name enclosed in double quotes"),
        (b'{"format": NaN}', "the file: isn't JSON: NaN is no JSON number"),
        (b'{"a\xff": 1}', "byte 4: isn't UTF-8"),
        (b"[" * 200_000, "the file: is nested too deep"),
        (b" " * (MOST_BYTES + 1), "the file: is larger than 5 MB"),
        (b"[]", "the file: must be an object, and is a list"),
        (file(WELCOME).replace(b'"reentry"', b'"name": "x", "reentry"'), "journeys[0].name: is there twice"),
        (
            file({**WELCOME, "<b>\n": 1}),
            'journeys[0]."<b>\\n": isn\'t known; known are id, name, trigger, reentry, limits, complete, steps, note',
        ),
    ],
)
def test_what_is_no_definition_file_is_refused_with_the_place(content, words):
    assert words in mistakes(content)


def test_a_file_made_to_have_very_many_mistakes_has_them_counted():
    with pytest.raises(DefinitionMistaken) as raised:
        read(file(**{f"k{n}": 1 for n in range(TOLD + 500)}), "iterable")
    assert (len(raised.value.mistakes), raised.value.count) == (TOLD, TOLD + 500)


@pytest.mark.django_db
class TestKeeping:
    """What becomes of a file that was given."""

    @pytest.fixture
    def northwind(self):
        return cast.make_engagement("Northwind")

    def test_a_file_is_kept_byte_for_byte_as_a_version_with_its_hash_and_told_of_in_the_history(self, northwind):
        first, second = file(WELCOME), file(WELCOME, exported="2026-05-04")
        for content in (first, first, second):  # the same bytes again make no version
            keeping.keep(northwind, content, file_name="C:\\customer\\journeys.json", actor="ada")
        versions = JourneyDefinition.objects.order_by("version")
        assert [(row.version, row.file_name, row.journeys, row.steps) for row in versions] == [(n, "journeys.json", 1, 3) for n in (1, 2)]
        assert [keeping.content(row) for row in versions] == [first, second]
        assert [entry.detail["sha256"] for entry in AuditEntry.objects.order_by("number")] == [row.sha256 for row in versions]

    def test_a_file_with_a_mistake_leaves_nothing_behind(self, northwind):
        with pytest.raises(DefinitionMistaken):
            keeping.keep(northwind, file({"id": 1}), file_name="x.json", actor="ada")
        assert not JourneyDefinition.objects.exists()

    def test_a_file_that_was_changed_in_the_store_is_not_believed(self, northwind, tmp_path):
        kept = keeping.keep(northwind, file(WELCOME), file_name="x.json", actor="ada")
        [path] = (tmp_path / "store").rglob(f"{kept.sha256}.json")
        path.write_bytes(file())
        with pytest.raises(keeping.DefinitionGone, match="was changed"):
            keeping.described(kept)

    def test_the_command_takes_a_file_or_names_its_mistakes(self, northwind, tmp_path, capsys):
        path = tmp_path / "journeys.json"
        path.write_bytes(file(WELCOME))
        call_command("journey_definitions", "northwind", str(path), "--check")
        assert not JourneyDefinition.objects.exists()
        call_command("journey_definitions", "northwind", str(path))
        assert "1 journeys with 3 steps" in capsys.readouterr().out
        path.write_bytes(file({"id": 1, "name": "x", "complete": "yes"}))
        with pytest.raises(CommandError, match="1 mistakes"):
            call_command("journey_definitions", "northwind", str(path))
        assert "journeys[0].complete: must be true or false, and is a text" in capsys.readouterr().err
