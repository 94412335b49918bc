"""Who is to be forgotten: the source's register, and the engagement's own of people who were erased here.

The source's holds unkeyed hashes (see `mapping.people`), ours pseudonyms. What an erased person leaves in a dataset is a record that says
nothing but their pseudonym where it named them: so the record keeps its place, it is left out of loads as theirs, and it is found again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors import landing, rawjson
from connectors.models import Dataset
from mapping import plan
from mapping.fieldmaps import reader
from mapping.people import Forgotten, forgotten_hashes
from mapping.playbooks import Playbook, load_playbook
from mapping.side_keys import person_names
from workbench.engagements.models import Engagement
from workbench.engagements.pseudonyms import Erased, Pseudonyms, erased_from

REGISTER = "forgotten"  # the dataset with the source's own


def newest_register(engagement: Engagement) -> Forgotten:
    """Everybody who is to be forgotten, by the newest register that was read from the source and by our own."""
    datasets = [landing.latest(engagement, REGISTER, purpose) for purpose in Dataset.Purpose.values]
    newest = max((dataset for dataset in datasets if dataset), key=lambda dataset: dataset.started_at, default=None)
    return forgotten_by(engagement, newest)


def forgotten_by(engagement: Engagement, register: Dataset | None) -> Forgotten:
    """Everybody who is to be forgotten, by a landed register of the source and by our own."""
    hashes = forgotten_hashes(landing.records(register)) if register else frozenset()
    return Forgotten(hashes, erased_from(engagement))


def sieve(engagement: Engagement, object_name: str) -> "Sieve | None":
    """What keeps erased people out of an object that is landed; None where nobody was erased, or it names no people."""
    erased = erased_from(engagement)
    fields = person_fields(load_playbook(engagement.platform), object_name, plan.names_of(engagement))
    return Sieve(erased, fields) if erased and fields else None


def person_fields(playbook: Playbook, object_name: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """The fields of an object's records that name a person: of people their ids and address, of others the person they belong to.

    names: what the engagement calls the fields that the playbook only names by a setting.
    """
    people = {rule.name for rule in playbook.objects if rule.kind == "person"}
    identity = playbook.identity
    found: list[str] = [*identity.source_id, identity.email] if object_name in people else []
    found += [key for rule in playbook.parents if rule.object == object_name and rule.parent in people for key in rule.keys]
    found += [key for rule in playbook.buyers if rule.object == object_name for key in rule.keys]
    found += [rule.user for rule in playbook.members if rule.object == object_name]
    return tuple(dict.fromkeys(names[key[1:]] if key.startswith("@") else key for key in found))


@dataclass(frozen=True)
class Sieve:
    """Which records of one object name an erased person, and what is kept in their place.

    fields: those that name a person. parents: field -> ids of records that are theirs, such as the purchases of a line.
    """

    erased: Erased
    fields: tuple[str, ...]
    parents: Mapping[str, Collection[str]] = field(default_factory=dict)

    @property
    def pseudonyms(self) -> Pseudonyms:
        """By which names are replaced."""
        if self.erased.pseudonyms is None:
            raise ValueError("Nobody was erased.")
        return self.erased.pseudonyms

    def names(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is of an erased person, or belongs to one."""
        return self.erased.has(self._named(record)) or any(self._parents(record))

    def instead(self, record: Mapping[str, Any], key: str, raw: bytes) -> tuple[bytes, str, bytes]:
        """(what is landed in the place of such a record, its id, its content's hash)."""
        pseudonyms = self.pseudonyms
        named = next((pseudonyms.of(name) for name in self._named(record) if self.erased.has([name])), "")
        left = {self.fields[0]: named} if named else {name: pseudonyms.of(str(record.get(name))) for name in self.parents}
        return rawjson.write(left), pseudonyms.of(key), pseudonyms.of_bytes(raw)[:20]

    def _named(self, record: Mapping[str, Any]) -> Iterator[str]:
        for name in self.fields:
            value = reader(name)(record)
            for one in value if isinstance(value, list) else (value,):
                yield from person_names(one)

    def _parents(self, record: Mapping[str, Any]) -> Iterator[bool]:
        """Of each such field whether it names a record of theirs; of several with one id staging tells the later ones by `#`."""
        values = ((str(record.get(name)), ids) for name, ids in self.parents.items())
        return (value in ids or value.partition("#")[0] in ids for value, ids in values)


def names_of(record: Mapping[str, Any], fields: Iterable[str]) -> Iterator[str]:
    """The ids and addresses that fields of a record hold, as they are written and as they are compared."""
    for name in fields:
        value = reader(name)(record)
        if isinstance(value, str) and value:
            yield value
        yield from person_names(value)
