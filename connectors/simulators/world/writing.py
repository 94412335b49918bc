"""Writes a world, person by person, so that its size is no matter of memory."""

from __future__ import annotations

import hashlib
import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from connectors.simulators.world import automation, destination, lists
from connectors.simulators.world.assets import write_assets
from connectors.simulators.world.companies import make_companies, make_reps, world_end
from connectors.simulators.world.deeds import Deeds
from connectors.simulators.world.dirt import soil_people
from connectors.simulators.world.later import Later
from connectors.simulators.world.people import Crowd, Person, make_people

ORGANISATIONS = ("dataverse", "dataverse_sandbox")


def write_world(folder: Path, people: int, seed: int) -> None:
    """Write the folder of a fictional company with so many profiles; the same numbers give the same bytes.

    Iterable's answers stand under `iterable/`, what the two organisations hold under `dataverse/` and `dataverse_sandbox/`.
    """
    end = world_end(seed)
    companies, reps = make_companies(people, seed), make_reps(people, seed)
    crowd = Crowd(people, random.Random(f"{seed}/people"), companies, reps, end)
    with ExitStack() as stack:
        organisations = []
        for name in ORGANISATIONS:
            organisation = destination.start_organisation(folder / name, name, seed, end, people)
            stack.callback(organisation.close)
            destination.write_users(organisation, reps)
            destination.write_accounts(organisation, companies)
            automation.write_automation(organisation)
            automation.write_customisation(folder / name, name)
            organisations.append(organisation)
        _write_people(folder, crowd, organisations, seed)
        for organisation in organisations:
            destination.write_currencies(organisation)
    _write_answers(folder / "iterable", crowd, seed)
    write_assets(folder / "iterable", people, seed, end)


def _write_people(root: Path, crowd: Crowd, organisations: list[destination.Organisation], seed: int) -> None:
    folder, export = root / "iterable", root / "iterable" / "export"
    for name in ("export", "lists"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        users = stack.enter_context((export / "user.ndjson").open("wb"))
        numbers = [*lists.DYNAMIC, *(company.dynamic_id for company in crowd.companies if company.dynamic_id)]
        members = {number: stack.enter_context((folder / "lists" / f"{number}.txt").open("wb")) for number in numbers}
        later = stack.enter_context(Later(root / "later" / "iterable" / "export", export, crowd, seed))
        deeds = stack.enter_context(Deeds(export, crowd, seed))
        for person in soil_people(make_people(crowd), crowd):
            users.write(orjson.dumps(person.row) + b"\n")
            deeds.write(person)
            later.write(person)
            if key := _key(person):
                for number in person.dynamic:
                    members[number].write(key)
            for organisation in organisations:
                destination.write_person(organisation, person)
        deeds.close()
        later.finish()


def _key(person: Person) -> bytes | None:
    """The line of a person in a list: the e-mail, else the user id."""
    key = next((value for name in ("email", "userId") if isinstance(value := person.row.get(name), str) and value.strip()), None)
    return None if key is None else f"{key.strip()}\n".encode()


def _write_answers(folder: Path, crowd: Crowd, seed: int) -> None:
    (folder / "users").mkdir(exist_ok=True)
    answers: dict[str, Any] = {
        "lists.json": lists.lists_json(crowd.companies, crowd.end, seed),
        "channels.json": lists.channels_json(),
        "messageTypes.json": lists.message_types_json(crowd.end),
        "users/getFields.json": {"fields": lists.FIELDS},
        "users/forgotten.json": {"hashedEmails": _hashes([*crowd.forgotten_emails, "gone.for.good@forgotten.example"])},
        "users/forgottenUserIds.json": {"hashedUserIds": _hashes([*crowd.forgotten_user_ids, "u-never-seen"])},
    }
    for name, answer in answers.items():
        (folder / name).write_bytes(orjson.dumps(answer))


def _hashes(values: list[str]) -> list[str]:
    """As the register keeps them: SHA-256 of the trimmed, lower-cased value, in hexadecimal (*assumed*), in no telling order."""
    return sorted(hashlib.sha256(value.strip().lower().encode()).hexdigest() for value in values)
