"""Folders of hand-made source data: only what matters to a test, in the shapes that the simulators serve."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

CHANNELS = [
    {"id": 31, "name": "News", "channelType": "Marketing", "messageMedium": "Email"},
    {"id": 32, "name": "Receipts", "channelType": "Transactional", "messageMedium": "Email"},
    {"id": 33, "name": "Texts", "channelType": "Marketing", "messageMedium": "SMS"},
    {"id": 34, "name": "Pushes", "channelType": "Marketing", "messageMedium": "Push"},
    {"id": 35, "name": "In the app", "channelType": "Marketing", "messageMedium": "InApp"},
]
MESSAGE_TYPES = [
    {"id": 901, "name": "Weekly", "channelId": 31, "subscriptionPolicy": "OptOut"},
    {"id": 902, "name": "Offers", "channelId": 31, "subscriptionPolicy": "OptIn"},
    {"id": 903, "name": "Text offers", "channelId": 33, "subscriptionPolicy": "OptIn"},
    {"id": 904, "name": "Push news", "channelId": 34, "subscriptionPolicy": "OptOut"},
    {"id": 905, "name": "In-app news", "channelId": 35, "subscriptionPolicy": "OptOut"},
]
NOBODY_REFUSED: dict[str, list[int]] = {"unsubscribedChannelIds": [], "unsubscribedMessageTypeIds": [], "subscribedMessageTypeIds": []}


def user(user_id: str | None, email: str | None, stage: str | None = "customer", **fields: Any) -> dict[str, Any]:
    """A profile of the export; None leaves a field out."""
    record = {
        "email": email,
        "userId": user_id,
        "lifecycleStage": stage,
        "firstName": "Mara",
        "lastName": "Lind",
        "signupDate": "2024-03-05 09:10:11 +00:00",
        "profileUpdatedAt": "2025-02-01 08:00:00 +00:00",
        "emailListIds": [],
        **NOBODY_REFUSED,
        **fields,
    }
    return {key: value for key, value in record.items() if value is not None}


def organisation_list(list_id: int, name: str, **fields: Any) -> dict[str, Any]:
    """A list of the source."""
    return {"id": list_id, "name": name, "description": "", "createdAt": 1_700_000_000_000, "listType": "Standard", **fields}


def write(
    folder: Path,
    users: Iterable[Mapping[str, Any] | bytes],
    *,
    lists: Iterable[Mapping[str, Any]] = (),
    forgotten: Iterable[str] = (),
    fields: Mapping[str, str] | None = None,
    rows: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Path:
    """A source's folder. users: profiles, or raw lines as bytes. rows: "dataverse/contact" -> rows in the Web API's read form.

    more: further files of the platform, "export/customEvent.ndjson" -> rows, "campaigns.json" -> the answer, "lists/1.txt" -> the text.
    """
    platform = folder / "iterable"
    (platform / "export").mkdir(parents=True, exist_ok=True)
    (platform / "users").mkdir()
    lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in users]
    (platform / "export" / "user.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))
    answers = {
        "lists.json": {"lists": list(lists)},
        "channels.json": {"channels": CHANNELS},
        "messageTypes.json": {"messageTypes": MESSAGE_TYPES},
        "users/getFields.json": {"fields": dict(fields or {})},
        "users/forgotten.json": {"hashedEmails": list(forgotten)},
    }
    for name, answer in answers.items():
        (platform / name).write_text(json.dumps(answer))
    for path, content in (more or {}).items():
        target = platform / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(row) + "\n" for row in content) if path.endswith(".ndjson") else json.dumps(content)
        target.write_text(content if isinstance(content, str) else text)
    for path, content in (rows or {}).items():
        target = folder / f"{path}.ndjson"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(json.dumps(row) + "\n" for row in content))
    return folder


def joined(path: Path, parts: Sequence[Path]) -> Path:
    """One folder that holds what several hold: lines and lists one after the other, and what all say alike once."""
    for name in sorted({str(file.relative_to(part)) for part in parts for file in part.rglob("*") if file.is_file()}):
        found = [file.read_bytes() for part in parts if (file := _served(part, name))]
        assert len(found) == 1 or name.endswith(("json", "ndjson")), f"{name} of several can't be one"
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"".join(found) if len(found) == 1 or name.endswith(".ndjson") else _as_one(found))
    return path


def _served(part: Path, name: str) -> Path | None:
    """The file of a folder that is served under this name: later where it doesn't change, or in the sandbox, the earlier or common one."""
    now = name.removeprefix("later/")
    return next((part / one for one in (name, now, now.replace("dataverse_sandbox", "dataverse")) if (part / one).is_file()), None)


def _as_one(answers: Sequence[bytes]) -> bytes:
    mark = "utf-8-sig" if answers[0].startswith("\ufeff".encode()) else "utf-8"
    return json.dumps(reduce(_both, (json.loads(one.decode("utf-8-sig")) for one in answers))).encode(mark)


def _both(one: Any, other: Any) -> Any:
    if isinstance(one, dict):
        return one | {key: _both(one[key], value) if key in one else value for key, value in other.items()}
    if isinstance(one, list):
        return one + [value for value in other if value not in one]
    assert one == other, f"{one} of one is {other} of another"
    return one
