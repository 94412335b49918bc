"""Whom an erasure looks for: all ids and addresses of one person, and what of their records tells them from others in a text."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import orjson
from django.db.models import QuerySet

from connectors import landing, store
from connectors.models import Dataset
from loads.models import Crosswalk
from mapping.identity import normalise_email
from mapping.playbooks import Playbook, load_playbook
from mapping.quality.remedies import digest
from workbench.engagements.models import Engagement
from workbench.privacy.treating import GONE

LONGEST_VALUE, MOST_VALUES = 200, 50_000  # texts of records that are kept while an erasure goes on
LEAST_WORD, LEAST_DIGITS = 5, 7  # shorter ones stand in too many texts that are about something else
_PHONE = re.compile(r"[+(]?[\d\s()./-]{7,}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# What an entry of a list is about one record by, and what lists records.
ABOUT = frozenset({"source_id", "email", "row_id", "example"})
LISTING = frozenset({"samples", "examples", "missed", "unfounded", "records"})
ASKED = 500  # names of one statement


@dataclass
class Sought:
    """What is looked for. names: ids and addresses. words: further texts that tell the person, such as phone numbers and full names.

    values: dataset -> text of their records, which alone may be anybody's -> how often they have it there. domains: of their addresses,
    that nobody else has. records: ids of what belongs to them; they aren't kept, since they stand with the records that were found.
    """

    names: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    values: dict[str, dict[str, int]] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    records: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, text: str) -> Self:
        """As an erasure keeps it."""
        kept = orjson.loads(text or "{}")
        names, words, domains = (set(kept.get(name, ())) for name in ("names", "words", "domains"))
        return cls(names, words, kept.get("values", {}), domains)

    def written(self) -> str:
        """As an erasure keeps it."""
        sets = {name: sorted(getattr(self, name)) for name in ("names", "words", "domains")}
        return orjson.dumps(sets | {"values": self.values}).decode()

    def learn(self, record: Mapping[str, Any], dataset: Dataset, *, besides: Iterable[str]) -> None:
        """Take in what a record of theirs says. besides: fields about somebody else, such as the owner."""
        left_out, of_dataset = frozenset(besides), self.values.setdefault(str(dataset.pk), {})
        for text in (text for name, value in record.items() if name not in left_out for text in texts_of(value)):
            if text in of_dataset or (2 < len(text) <= LONGEST_VALUE and len(of_dataset) < MOST_VALUES):
                of_dataset[text] = of_dataset.get(text, 0) + 1

    def learn_person(self, record: Mapping[str, Any], playbook: Playbook, *, besides: Iterable[str]) -> None:
        """Take in what of the person's own record tells them from others."""
        left_out, identity = frozenset(besides), playbook.identity
        texts = (text for name, value in record.items() if name not in left_out for text in texts_of(value))
        self.words |= {text for text in texts if _is_phone(text)}
        full = [str(record.get(name) or "").strip() for name in (identity.first_name, identity.last_name)]
        self.words |= {f"{full[0]} {full[1]}", f"{full[1]}, {full[0]}"} if all(full) else set()

    def has_alone(self, dataset_id: int, value: str, times: int) -> bool:
        """Whether a value that stands so often in a dataset is theirs each time."""
        return times <= self.values.get(str(dataset_id), {}).get(value.strip(), 0)

    @property
    def texts(self) -> set[str]:
        """Every text of their records."""
        return {text for of_dataset in self.values.values() for text in of_dataset}

    @cached_property
    def exact(self) -> frozenset[str]:
        """Texts that are the person's as a whole: names, ids of records, their digests in the plan, words."""
        known = self.names | self.records
        return frozenset(known | self.words | self.companies | {digest(name) for name in known})

    @cached_property
    def telling(self) -> frozenset[str]:
        """Those of them that are nobody else's wherever they stand; a short one is the id of a list somewhere else."""
        return frozenset(text for text in self.exact if _is_telling(text))

    @property
    def companies(self) -> set[str]:
        """Ids of the companies that staging derives of their own domains."""
        return {f"domain:{domain}" for domain in self.domains}

    @cached_property
    def needles(self) -> tuple[str, ...]:
        """What tells the person within a longer text, the longest first."""
        known = (text for text in self.names | self.words | self.domains if _is_telling(text))
        return tuple(sorted(known, key=lambda text: (-len(text), text)))

    @cached_property
    def _within(self) -> re.Pattern[str] | None:
        words = "|".join(map(re.escape, self.needles))
        return re.compile(rf"(?<![\w@.+-])(?:{words})(?![\w@-])", re.IGNORECASE) if words else None

    def is_in(self, text: str) -> bool:
        """Whether a text tells of the person."""
        return text in self.telling or (self._within is not None and self._within.search(text) is not None)

    def struck(self, value: Any, key: str) -> Any:
        """A text or JSON without the person: entries of lists that are about them go, elsewhere their names are replaced.

        key: what it stands under, the name of a field or of an entry.
        """
        if isinstance(value, str):
            return GONE if self._is_theirs(value, key) else self._within.sub(GONE, value) if self._within else value
        if isinstance(value, Mapping):
            return {name: self.struck(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self.struck(one, key) for one in value if not self._is_about(one, key)]
        return value

    def _is_theirs(self, text: str, key: str) -> bool:
        return text in self.telling or (key in ABOUT | LISTING and text in self.exact)

    def _is_about(self, entry: Any, key: str) -> bool:
        """Whether an entry of a list is about the person: their name, a pair with it, or a record of theirs."""
        if isinstance(entry, str):
            return self._is_theirs(entry, key)
        if isinstance(entry, list):
            return any(isinstance(one, str) and (self._is_theirs(one, key) or self.is_in(one)) for one in entry)
        return isinstance(entry, Mapping) and "count" not in entry and any(str(entry.get(name)) in self.exact for name in ABOUT)


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a value, however deep."""
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_of(one)


def _is_telling(text: str) -> bool:
    return len(text) >= (LEAST_DIGITS if text.isdecimal() else LEAST_WORD)


def _is_phone(text: str) -> bool:
    return _PHONE.fullmatch(text) is not None and sum(map(str.isdigit, text)) >= LEAST_DIGITS and not _DATE.match(text)


def forms_of(name: str) -> set[str]:
    """How an id or address may be written."""
    text = name.strip()
    address, _ = normalise_email(text)
    return {form for form in (text, landing.clean_id(text), text.lower() if "@" in text else text, address) if form}


def person_objects(engagement: Engagement) -> list[str]:
    """The objects whose records are people."""
    return [rule.name for rule in load_playbook(engagement.platform).objects if rule.kind == "person"]


def closure(engagement: Engagement, names: Iterable[str], keys: Iterable[Path]) -> set[str]:
    """All ids and addresses of the person who has one of these: by what their records say, and by rows that they share.

    keys: the files of people's keys (`mapping.people.KEYS`).
    """
    found, paths = {form for name in names for form in forms_of(name)}, [str(path) for path in keys]
    while True:
        more = {form for name in _beside(paths, found) | _of_shared_rows(engagement, found) for form in forms_of(name)} - found
        if not more:
            return found
        found |= more


def _beside(paths: list[str], names: set[str]) -> set[str]:
    """Names that stand in one record with one of these."""
    if not paths:
        return set()
    with store.database() as con:
        rows = con.execute(
            """SELECT DISTINCT source_id, email, user_key FROM read_parquet($paths)
               WHERE problem IS NULL AND (source_id IN (SELECT unnest($names)) OR email IN (SELECT unnest($names))
                     OR user_key IN (SELECT unnest($names)))""",
            {"paths": paths, "names": sorted(names)},
        ).fetchall()
    return {name for row in rows for name in row if name and not name.startswith("sha1:")}


def _of_shared_rows(engagement: Engagement, names: set[str]) -> set[str]:
    """Names that the crosswalk gives one row with one of these."""
    found: set[str] = set()
    for row in rows_named(engagement, person_objects(engagement), names):
        sharing = Crosswalk.objects.filter(environment=row.environment_id, table=row.table, row_id=row.row_id, object_name=row.object_name)
        found |= set(sharing.values_list("source_id", flat=True))
    return found


def rows_named(engagement: Engagement, objects: Iterable[str], names: Iterable[str]) -> Iterator[Crosswalk]:
    """The crosswalk's rows of these names."""
    known: QuerySet[Crosswalk] = Crosswalk.objects.filter(environment__engagement=engagement, object_name__in=list(objects))
    for some in store.batched(sorted(names), ASKED):
        yield from known.filter(source_id__in=some)


def own_domains(names: Iterable[str], keys: Iterable[Path]) -> set[str]:
    """The domains of the person's addresses that nobody else has an address of: the company that staging derives of one bears their name.

    keys: the files of people's keys.
    """
    addresses, paths = [name for name in names if "@" in name], [str(path) for path in keys]
    domains = {address.rpartition("@")[2].lower() for address in addresses}
    if not (domains and paths):
        return domains
    with store.database() as con:
        shared = con.execute(
            """SELECT DISTINCT split_part(email, '@', 2) FROM read_parquet($paths)
               WHERE split_part(email, '@', 2) IN (SELECT unnest($domains)) AND email NOT IN (SELECT unnest($names))""",
            {"paths": paths, "domains": sorted(domains), "names": addresses},
        ).fetchall()
    return domains - {domain for (domain,) in shared}


def people_datasets(engagement: Engagement) -> list[Dataset]:
    """The complete datasets of people."""
    known = Dataset.objects.filter(engagement=engagement, object_name__in=person_objects(engagement), state=Dataset.State.SEALED)
    return list(known.select_related("engagement").order_by("pk"))


def known_rows(engagement: Engagement, name: str) -> dict[str, Any]:
    """{"names": how many ids and addresses the crosswalk has of the person, "rows": [(environment, table, rows)]}, without their files."""
    names = closure(engagement, [name], [])
    rows = {
        (row.environment.get_kind_display(), row.table, row.row_id) for row in rows_named(engagement, person_objects(engagement), names)
    }
    counted = Counter((environment, table) for environment, table, _ in rows)
    return {"names": len(names), "rows": [(*place, count) for place, count in sorted(counted.items())]}
