"""The keys of people: one narrow row per landed record with all that clusters, splits, companies and consent are decided on.

The raw records stay where they lie; everything set-based (who is the same person, who survives, which company) is SQL
over these rows, so that a million people cost disk and not memory.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import idna
import pyarrow as pa

from connectors import landing, store
from connectors.dataverse.metadata import ColumnSpec
from connectors.models import Dataset
from connectors.storable import storable
from mapping.consent import MEDIA, STRICTNESS, Consent, ConsentRules, consent
from mapping.fieldmaps import reader
from mapping.identity import fold_name, is_role_address, normalise_email, own_id
from mapping.jsontext import plain_text
from mapping.playbooks import Playbook
from mapping.split import normalise_stage
from mapping.transforms import TimeRules, compile_transform
from workbench.engagements.pseudonyms import NOBODY, Erased

# updated: as YYYY-MM-DDTHH:MM:SSZ, '' where it can't be read, which counts as oldest. created_ms: 0 where there is none.
# lists: ids as text. consent: the place of each medium's answer in STRICTNESS (in 0, unknown 1, out 2). consent_noted: there are issues.
KEYS = pa.schema(
    [
        ("position", pa.int64()),
        ("source_id", pa.string()),
        ("problem", pa.string()),
        ("email", pa.string()),
        ("email_issue", pa.string()),
        ("user_key", pa.string()),
        ("updated", pa.string()),
        ("created", pa.string()),
        ("last_name", pa.string()),
        ("shown_name", pa.string()),
        ("stage", pa.string()),
        ("owner", pa.string()),
        ("forgotten", pa.bool_()),
        ("role_address", pa.bool_()),
        ("lists", pa.list_(pa.string())),
        *((f"consent_{medium}", pa.int8()) for medium in MEDIA),
        ("suppressed", pa.bool_()),
        ("no_mail", pa.bool_()),
        ("consent_noted", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Everybody who is to be forgotten: by the source's register and by the engagement's own of people who were erased.

    hashes: hex SHA-256 of the trimmed, lower-cased e-mail or user id (*assumed*: the source doesn't document the hash).
    """

    hashes: frozenset[str] = frozenset()
    erased: Erased = NOBODY

    def has(self, *keys: str | None) -> bool:
        """Whether one of a person's e-mails and ids is on a register."""
        listed = bool(self.hashes) and any(_hash_of(form) in self.hashes for key in keys if key for form in _forms_of(key))
        return listed or self.erased.has(keys)


def _forms_of(key: str) -> Iterator[str]:
    """The forms in which a source may have hashed a name: as we compare it, and an address also with its domain as people write it."""
    yield key
    local, at, domain = key.rpartition("@")
    if at and "xn--" in domain:
        with suppress(idna.IDNAError):
            yield f"{local}@{idna.decode(domain)}"


def _hash_of(key: str) -> str:
    return sha256(key.strip().lower().encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class PersonRules:
    """What is read from a person's record, and how: field names, signed consent rules and zones, forgotten people, role addresses."""

    id_fields: tuple[str, ...]
    email: str
    updated: str
    created: tuple[str, ...]
    first_name: str
    last_name: str
    stage: str
    owner: str
    lists: str
    consent: ConsentRules
    time: TimeRules
    forgotten: Forgotten
    role_addresses: frozenset[str]


def person_rules(playbook: Playbook, names: Mapping[str, str], consent: ConsentRules, time: TimeRules, forgotten: Forgotten) -> PersonRules:
    """The playbook's fields with the engagement's names put in."""
    identity = playbook.identity
    return PersonRules(
        id_fields=identity.source_id,
        email=identity.email,
        updated=identity.updated,
        created=identity.created,
        first_name=identity.first_name,
        last_name=identity.last_name,
        stage=names["lifecycle_field"],
        owner=names["owner_field"],
        lists=playbook.consent_arrays["lists"],
        consent=consent,
        time=time,
        forgotten=forgotten,
        role_addresses=playbook.role_addresses,
    )


def keys_path(dataset: Dataset, rules: PersonRules) -> Path:
    """Where the keys of a person dataset, read by these rules, lie once they are made."""
    return store.folder(dataset.engagement.slug, "keys") / f"{dataset.pk}-{_digest(rules)}.parquet"


def keys_of(dataset: Dataset, rules: PersonRules, *, beat: Callable[[], None] = lambda: None) -> Path:
    """The Parquet file with the keys of every record of a person dataset, made once per dataset and rules; memory holds one batch."""
    path = keys_path(dataset, rules)
    if path.exists():
        return path
    read = _reader(rules)
    with store.ParquetFile(path, KEYS) as file:
        for landed in landing.scan(dataset):
            record, problem = landing.parse(landed.raw) if landed.problem is None else (None, landed.problem)
            if record is None:
                file.add(landed.position, landed.source_id, problem, *NO_KEYS)
            else:
                file.add(landed.position, landed.source_id, None, *read(record))
            if not landed.position % 5_000:
                beat()
    return path


def _digest(rules: PersonRules) -> str:
    """The same for equal rules, in any process: sets are sorted before they are written."""
    told = asdict(replace(rules, forgotten=Forgotten())) | {"forgotten": rules.forgotten.hashes, "erased": rules.forgotten.erased.names}
    text = json.dumps([KEYS.names, told], default=sorted, sort_keys=True)
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


NO_KEYS: tuple = (None, "", None, "", "", "", "", "", "", False, False, [], *(STRICTNESS["out"] for _ in MEDIA), False, False, False)


def _reader(rules: PersonRules) -> Callable[[Mapping[str, Any]], tuple]:
    """A function from a raw record to the columns of KEYS after `problem`."""
    moment = moments_reader(rules.time)
    email, updated = reader(rules.email), reader(rules.updated)
    created = [reader(field) for field in rules.created]
    first, last, stage, owner = reader(rules.first_name), reader(rules.last_name), reader(rules.stage), reader(rules.owner)
    lists = reader(rules.lists)
    ids = [field for field in rules.id_fields if field != rules.email]

    def read(record: Mapping[str, Any]) -> tuple:
        address, issue = normalise_email(email(record))
        own = own_id(record, ids)
        user_key = landing.clean_id(own) if own else None
        answers = consent(record, rules.consent)
        return (
            address,
            issue.code if issue and address is None else "",
            user_key,
            moment(updated(record)),
            next(filter(None, (moment(field(record)) for field in created)), ""),
            fold_name(last(record)),
            _shown(first(record), last(record)),
            normalise_stage(stage(record)),
            owner_key(owner(record)),
            rules.forgotten.has(address, user_key),
            address is not None and is_role_address(address, rules.role_addresses),
            list_ids(lists(record)),
            *_strictness(answers),
            answers.suppressed,
            answers.no_mail,
            bool(answers.issues),
        )

    return read


def moments_reader(time: TimeRules) -> Callable[[Any], str]:
    """Reads a source's moment as YYYY-MM-DDTHH:MM:SSZ; '' for what is none."""
    column = ColumnSpec("moment", "DateTime", "Moment", format="DateAndTime")
    transform = compile_transform("datetime", field="moment", column=column, options={"epoch": "auto"}, time=time)
    return lambda value: str(transform(value).value or "")


def milliseconds(moment: str) -> int:
    """A `YYYY-MM-DDTHH:MM:SSZ` as milliseconds since 1970; 0 for '' and for what lies before."""
    return max(0, int(datetime.fromisoformat(moment).timestamp() * 1000)) if moment else 0


def owner_key(value: Any) -> str:
    """A source owner as it is matched: trimmed and lower-cased; '' for none."""
    return "" if value is None else landing.clean_id(plain_text(value).strip().lower())


def _shown(first: Any, last: Any) -> str:
    parts = (value.strip() for value in (first, last) if isinstance(value, str))
    return storable(" ".join(part for part in parts if part)[:100])


def forgotten_hashes(register: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The hashes of a landed register of forgotten people; what can't be one is left out, of which the source's check tells."""
    return frozenset(entry["hash"].strip().lower() for entry in register if isinstance(entry["hash"], str))


def list_ids(value: Any) -> list[str]:
    """List ids as text; what isn't an id is left out."""
    if not isinstance(value, list):
        return []
    ids = (str(part).strip() for part in value if isinstance(part, (int, str)) and not isinstance(part, bool) and len(str(part)) < 40)
    return [landing.clean_id(key) for key in ids]


def _strictness(answers: Consent) -> tuple[int, ...]:
    return tuple(STRICTNESS[getattr(answers, medium)] for medium in MEDIA)
