"""What makes the people of a world as dirty as real ones: each kind of dirt has its share, and from 200 people on a specimen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from connectors.simulators.world.dirty_values import ABSENT, VALUES
from connectors.simulators.world.doubles import DOUBLES
from connectors.simulators.world.lists import GONE_LIST, SUPPRESSION
from connectors.simulators.world.people import Crowd, Person, moment
from connectors.simulators.world.words import ROLES

SPECIMENS_FROM = 200
ALL_SHARES = 0.5  # the kinds' own shares together make a company look worse than real ones are
# All combinations of the consent arrays that mean something of their own; ABSENT: the profile says nothing at all.
_CONSENT: tuple[tuple[Any, Any, Any], ...] = (
    (ABSENT, ABSENT, ABSENT),
    ([], [], []),
    ([31], [], []),
    ([31], [], [903]),  # subscribed to a type of a channel that is refused
    ([], [901, 902], []),
    ([], [902], [903]),
    ([], [903], [903]),  # both at once
    ([33, 34, 35], [], [905]),
    ([], [906, 907], [905, 908]),
    ([31, 32, 33, 34, 35, 36], [901, 902, 904, 906, 907], []),
    (ABSENT, [], [903]),
    ([], ABSENT, ABSENT),
    ([77], [977], [978]),  # a channel and types that are gone
)
_USER_IDS = ("ext:DE/4711+x", "00042", "U-100012", "id with spaces", "ключ-7", "a&b=c%20d", "mara@northpine.example", "{9F0C-1}", "x" * 300)
_CONSENT_KEYS = ("unsubscribedChannelIds", "unsubscribedMessageTypeIds", "subscribedMessageTypeIds")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of dirt: its name, its share of all people, and what it does to a row."""

    name: str
    share: float  # of all people, before ALL_SHARES
    soil: Callable[[Person, Crowd, int], None]  # the number says how many of the kind there were before


def soil_people(people: Iterable[Person], crowd: Crowd) -> Iterator[Person]:
    """The same number of people, some of them dirty; rows that stay clean are kept a while for doubles."""
    specimens = _specimens(crowd.people)
    weights = list(accumulate(kind.share for kind in KINDS))
    total = weights[-1] * ALL_SHARES
    for number, person in enumerate(people):
        address = person.row["email"]
        if number in specimens:
            _soil(person, crowd, specimens[number])
        else:
            while crowd.dice.random() < total and len(person.kinds) < 3:
                _soil(person, crowd, crowd.dice.choices(KINDS, cum_weights=weights)[0])
        _keep_keys_apart(person, address, number)
        if not person.kinds and "userId" in person.row:
            crowd.recent.append(person)
        yield person


def _keep_keys_apart(person: Person, address: str, number: int) -> None:
    """No two profiles have one key: without a user id the address is the key, and nobody else's."""
    if person.row.get("email") != address and not person.row.get("userId"):
        person.row["userId"] = f"u-{100_000 + number}"


def _specimens(people: int) -> dict[int, Kind]:
    """The rows that are specimens of one kind and nothing else, spread over all."""
    if people < SPECIMENS_FROM:
        return {}
    return {10 + place * (people - 10) // len(KINDS): kind for place, kind in enumerate(KINDS)}


def _soil(person: Person, crowd: Crowd, kind: Kind) -> None:
    kind.soil(person, crowd, crowd.made[kind.name])
    crowd.made[kind.name] += 1
    person.kinds.append(kind.name)


def _values(fields: Sequence[str], values: Sequence[Any]) -> Callable[[Person, Crowd, int], None]:
    def put(person: Person, _: Crowd, before: int) -> None:
        name, value = fields[before % len(fields)], values[before % len(values)]
        person.row.pop(name, None) if value is ABSENT else person.row.__setitem__(name, value)

    return put


def _consent(person: Person, _: Crowd, before: int) -> None:
    for key, value in zip(_CONSENT_KEYS, _CONSENT[before % len(_CONSENT)], strict=True):
        person.row.pop(key, None) if value is ABSENT else person.row.__setitem__(key, list(value))


def _consent_form(place: int) -> Callable[[Person, Crowd, int], None]:
    return lambda person, crowd, _: _consent(person, crowd, place)


def _role_address(person: Person, crowd: Crowd, before: int) -> None:
    company = person.company or crowd.companies[before % len(crowd.companies)]
    person.row["email"] = f"{ROLES[before % len(ROLES)]}@{company.domain}"


def _odd_user_id(person: Person, _: Crowd, before: int) -> None:
    odd = _USER_IDS[before % len(_USER_IDS)]
    person.row["userId"] = odd if before < len(_USER_IDS) else f"{odd}#{before}"  # user ids are unique in a project


def _several_companies(person: Person, crowd: Crowd, before: int) -> None:
    """On two organisation lists; every other one has an address that tells which, the others free mail."""
    listed = [company for company in crowd.companies if company.list_id]
    two = crowd.dice.sample(listed, 2)
    person.row["emailListIds"] = [company.list_id for company in two] + person.row.get("emailListIds", [])[-1:]
    if before % 2:
        person.row["email"] = f"several.companies{before}_{crowd.dice.randrange(10**6)}@gmail.com"


def _odd_company(person: Person, _: Crowd, before: int) -> None:
    person.row["emailListIds"] = [*person.row.get("emailListIds", []), 49_001 + before % 7]


def _free_mail_with_company(person: Person, crowd: Crowd, before: int) -> None:
    listed = [company for company in crowd.companies if company.list_id]
    person.row |= {"email": f"works_somewhere{before}@outlook.com", "emailListIds": [crowd.dice.choice(listed).list_id]}


def _no_company_list(person: Person, _: Crowd, before: int) -> None:
    person.row["emailListIds"] = [] if before % 2 else [4101, GONE_LIST]


def _suppressed(person: Person, _: Crowd, before: int) -> None:
    person.row["emailListIds"] = [*person.row.get("emailListIds", []), SUPPRESSION]


def _forgotten(person: Person, crowd: Crowd, _: int) -> None:
    if email := person.row.get("email"):
        crowd.forgotten_emails.append(str(email))


def _forgotten_id(person: Person, crowd: Crowd, _: int) -> None:
    person.row.setdefault("userId", f"u-forgotten-{len(crowd.forgotten_user_ids)}")
    crowd.forgotten_user_ids.append(str(person.row["userId"]))


def _email_only(person: Person, _: Crowd, __: int) -> None:
    person.row.pop("userId", None)


def _import_moment(person: Person, crowd: Crowd, _: int) -> None:
    person.row["profileUpdatedAt"] = moment(crowd.imports[0])


def _tagged(person: Person, crowd: Crowd, before: int) -> None:
    """Addresses that differ by dots and plus tags alone are different people."""
    base = crowd.recent[0].row["email"] if crowd.recent else "plus@gmail.com"
    local, domain = base.split("@", 1)
    person.row["email"] = f"{local}+news{before}@{domain}" if before % 2 == 0 else f"{local[0]}.{local[1:]}@{domain}"


KINDS: tuple[Kind, ...] = (
    *(Kind(name, share, _values(fields, values)) for name, share, fields, values in VALUES),
    *(Kind(name, share, soil) for name, share, soil in DOUBLES),
    Kind("role address", 0.008, _role_address),
    Kind("user id odd", 0.002, _odd_user_id),
    Kind("consent", 0.006, _consent),
    *(Kind(f"consent {place}", 0.0002, _consent_form(place)) for place in range(1, len(_CONSENT))),
    Kind("several companies", 0.008, _several_companies),
    Kind("several companies, free mail", 0.003, lambda person, crowd, _: _several_companies(person, crowd, 1)),
    Kind("odd company list", 0.004, _odd_company),
    Kind("free mail with a company list", 0.01, _free_mail_with_company),
    Kind("no company list", 0.01, _no_company_list),
    Kind("suppressed", 0.004, _suppressed),
    Kind("forgotten", 0.003, _forgotten),
    Kind("forgotten user id", 0.002, _forgotten_id),
    Kind("e-mail only", 0.005, _email_only),
    Kind("moment of an import", 0.01, _import_moment),
    Kind("dots and plus tags", 0.003, _tagged),
)
