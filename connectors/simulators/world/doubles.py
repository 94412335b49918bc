"""Second profiles of one person, and profiles that look like one person and are two."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from connectors.simulators.world.people import Crowd, Person, moment
from connectors.simulators.world.words import without_accents

DAY = timedelta(days=1)


def _repeat(person: Person, crowd: Crowd, later: timedelta) -> Person | None:
    """Make the row a second profile of a recent clean one, updated so much later; that one, or None where there is none yet."""
    if not crowd.recent:
        return None
    first = crowd.recent[crowd.dice.randrange(len(crowd.recent))]
    names = {key: first.row[key] for key in ("email", "firstName", "lastName", "lifecycleStage", "emailListIds")}
    person.row |= names | {"profileUpdatedAt": moment(first.updated + later)}
    person.company = first.company
    return first


def _newer(person: Person, crowd: Crowd, before: int) -> None:
    if first := _repeat(person, crowd, DAY * (1 + before % 50)):
        email = first.row["email"]
        person.row["email"] = (email.upper(), email.title(), f" {email} ")[before % 3]


def _older(person: Person, crowd: Crowd, before: int) -> None:
    if first := _repeat(person, crowd, -DAY * (1 + before % 300)):
        person.row["email"] = first.row["email"].capitalize()


def _tie(person: Person, crowd: Crowd, _: int) -> None:
    _repeat(person, crowd, timedelta(0))


def _refused_before(person: Person, crowd: Crowd, _: int) -> None:
    """The older profile refuses what the newer one allows."""
    if _repeat(person, crowd, -DAY * 30):
        person.row |= {"unsubscribedChannelIds": [31, 33], "unsubscribedMessageTypeIds": [901], "subscribedMessageTypeIds": []}


def _other_name(person: Person, crowd: Crowd, before: int) -> None:
    if first := _repeat(person, crowd, DAY):
        names = [name for name in person.tongue.family if name != first.row["lastName"]]
        person.row |= {"firstName": crowd.dice.choice(person.tongue.given), "lastName": names[before % len(names)]}


def _accents(person: Person, crowd: Crowd, _: int) -> None:
    """The last names differ in case and accents only."""
    if first := _repeat(person, crowd, DAY * 2):
        name = first.row["lastName"]
        person.row["lastName"] = without_accents(name).upper() if name != without_accents(name) else name.replace("a", "á", 1)


def _other_stage(person: Person, crowd: Crowd, _: int) -> None:
    """The newer profile is past the split: a lead before, a customer now."""
    if _repeat(person, crowd, DAY * 5):
        person.row["lifecycleStage"] = "customer"


def _idn(person: Person, _: Crowd, before: int) -> None:
    """An internationalised domain, in both of its forms for one person."""
    domain = ("bücher-köln.example", "xn--bcher-kln-67a3d.example", "Żółw-łódź.example", "例え.example")[before % 4]
    person.row |= {"email": f"idn.person{before // 2}@{domain}", "lastName": "Bücher", "firstName": "Inge"}


DOUBLES: tuple[tuple[str, float, Callable[[Person, Crowd, int], None]], ...] = (
    ("double, newer, other case", 0.008, _newer),
    ("double, older", 0.006, _older),
    ("double, same moment", 0.004, _tie),
    ("double, refused before", 0.003, _refused_before),
    ("double, other last name", 0.002, _other_name),
    ("double, accents differ", 0.003, _accents),
    ("double, other side of the split", 0.002, _other_stage),
    ("internationalised domain", 0.002, _idn),
    ("internationalised domain, other form", 0.001, lambda person, crowd, before: _idn(person, crowd, 4 * before + 1)),
)
