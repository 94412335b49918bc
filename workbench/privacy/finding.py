"""The person's records among those that were landed: listed slice by slice, then replaced by ones that hold nothing but a keyed hash.

The lists stand in the store until the erasure is done: all else of the erasure goes by them, and they tell a second try what was there.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import pyarrow as pa

from connectors import landing, store
from connectors.models import Dataset
from mapping import plan
from mapping.forgetting import Sieve, person_fields
from mapping.playbooks import load_playbook
from workbench.engagements.pseudonyms import Erased, is_pseudonym, pseudonyms_of
from workbench.pipeline.work import Work
from workbench.privacy import files
from workbench.privacy.models import Erasure
from workbench.privacy.rewriting import rewrite
from workbench.privacy.seeking import Sought, person_objects

ERASING = "erasing"  # the folder of the lists
COMPANY = "company"  # derived of lists, and of domains where no list names one
# row: the record's number in its slice; position: its place in the dataset; becomes: its id since.
FOUND = pa.schema([("row", pa.int64()), ("position", pa.int64()), ("source_id", pa.string()), ("becomes", pa.string())])
LOOKED = 2_000  # records between two looks at the clock


def sought_by(erasure: Erasure) -> Sought:
    """What is looked for, as the erasure keeps it by now."""
    erasure.refresh_from_db(fields=["sought", "names", "counts"])
    return Sought.read(erasure.sought)


def _list_of(erasure: Erasure, dataset: Dataset, slice_path: Path) -> Path:
    return store.folder(erasure.engagement.slug, ERASING) / f"{erasure.pk}-{dataset.pk}-{slice_path.stem}.parquet"


def found_in(erasure: Erasure, dataset_id: int) -> Iterator[Mapping[str, Any]]:
    """The records of a dataset that are the person's, see FOUND."""
    for path in sorted(files.folder_of(erasure.engagement, ERASING).glob(f"{erasure.pk}-{dataset_id}-*.parquet")):
        yield from store.read_rows(path)


def ids_in(erasure: Erasure, dataset_id: int) -> Iterator[str]:
    """Ids of the person's records of a dataset, as they were; of several with one id staging tells the later ones by a number."""
    for source_id, times in Counter(row["source_id"] for row in found_in(erasure, dataset_id)).items():
        yield from (source_id, *(f"{source_id}#{number}" for number in range(2, times + 1)))


def _sieve(erasure: Erasure, dataset: Dataset) -> Sieve | None:
    """What tells the person's records in a dataset; None where it names no people, nor what belongs to them."""
    engagement, name = erasure.engagement, dataset.object_name
    playbook, parents = load_playbook(engagement.platform), dict[str, set[str]]()
    for rule in playbook.parents:
        if rule.object == name and (ids := _ids_of(erasure, rule.parent)):
            for key in rule.keys:
                parents.setdefault(key, set()).update(ids)
    if name == COMPANY and (companies := sought_by(erasure).companies):
        parents["id"] = companies
    fields = person_fields(playbook, name, plan.names_of(engagement))
    erased = Erased(frozenset(erasure.names), pseudonyms_of(engagement))
    return Sieve(erased, fields, parents) if fields or parents else None


def _ids_of(erasure: Erasure, object_name: str) -> set[str]:
    """Ids of records of another object that belong to the person, as they were."""
    if object_name in person_objects(erasure.engagement):
        return set()
    known = Dataset.objects.filter(engagement=erasure.engagement, object_name=object_name)
    return {row["source_id"] for dataset in known for row in found_in(erasure, dataset.pk)}


def find_records(work: Work, *, erasure: Erasure, dataset: Dataset) -> bool:
    """List the person's records in a dataset, before anything of it changes; False where the time is up."""
    sieve = _sieve(erasure, dataset)
    if sieve is None:
        return True
    first = 0
    for slice_path in landing.slices_of(dataset):
        path, size = _list_of(erasure, dataset, slice_path), store.row_count(slice_path)
        if not path.exists():
            if monotonic() > work.time.until:
                return False
            work.progress(f"looking through {dataset}, from record {first:,} on")
            _find_in(work, erasure, dataset, sieve, slice_path, path, first)
        first += size
    return True


def _find_in(work: Work, erasure: Erasure, dataset: Dataset, sieve: Sieve, slice_path: Path, path: Path, first: int) -> None:
    """List what is theirs in one slice, and learn what it says. first: the position of the slice's first record."""
    sought, playbook = sought_by(erasure), load_playbook(erasure.engagement.platform)
    besides = [plan.names_of(erasure.engagement)["owner_field"]]
    people, hints = dataset.object_name in person_objects(erasure.engagement), _hints(sought, sieve)
    with store.ParquetFile(path, FOUND) as file:
        for number, row in enumerate(store.read_rows(slice_path, columns=["source_id", "raw", "problem"])):
            if _may_be(row["raw"], hints) and _is_theirs(row, sieve, sought):
                file.add(number, first + number, row["source_id"], sieve.pseudonyms.of(row["source_id"]))
                if record := _record(row):
                    sought.learn(record, dataset, besides=besides)
                    if people:
                        sought.learn_person(record, playbook, besides=besides)
            if number and not number % LOOKED:
                work.progress(f"looking through {dataset}, at record {first + number:,}")
        if file.rows:
            erasure.sought = sought.written()
            erasure.save(update_fields=["sought"])


def _hints(sought: Sought, sieve: Sieve) -> tuple[bytes, ...]:
    """What stands in the bytes of each record of theirs, in lower case, unless it is written in another way."""
    names = {*sought.names, *(one for ids in sieve.parents.values() for one in ids), *sieve.erased.names}
    return tuple({name.lower().encode("utf-8", "replace") for name in names})


def _may_be(raw: bytes, hints: tuple[bytes, ...]) -> bool:
    """Whether a record is worth parsing: one with letters beyond ASCII or with escapes may write a name otherwise."""
    if not raw.isascii() or b"\\" in raw:
        return True
    text = raw.lower()
    return any(hint in text for hint in hints)


def _record(row: Mapping[str, Any]) -> dict[str, Any] | None:
    return landing.parse(row["raw"])[0] if row["problem"] is None else None


def _is_theirs(row: Mapping[str, Any], sieve: Sieve, sought: Sought) -> bool:
    """Whether a landed row is the person's; a line that can't be read where it holds one of their addresses."""
    record = _record(row)
    if record is not None:
        return sieve.names(record)
    raw = row["raw"].lower()
    return any(name.lower().encode("utf-8", "replace") in raw for name in sought.names if "@" in name)


def clear_dataset(work: Work, *, erasure: Erasure, dataset: Dataset) -> bool:
    """Replace the records that were listed; False where the time is up."""
    sieve = _sieve(erasure, dataset)
    if sieve is None:
        return True
    for slice_path in landing.slices_of(dataset):
        path = _list_of(erasure, dataset, slice_path)
        if rows := {row["row"] for row in store.read_rows(path)} if path.exists() else set():
            work.progress(f"clearing {dataset}")
            changed = rewrite(slice_path, rows, lambda row: _instead(row, sieve))
            erasure.add({f"records of {dataset.object_name}": changed})
            if monotonic() > work.time.until:
                return False
    if any(found_in(erasure, dataset.pk)):
        landing.reseal(dataset)
    return True


def _instead(row: dict[str, Any], sieve: Sieve) -> dict[str, Any]:
    """What stands in the place of a record; a line that can't be read is empty."""
    if is_pseudonym(row["source_id"]):
        return row
    record = _record(row)
    if record is None:
        raw, key, content = b"", sieve.pseudonyms.of(row["source_id"]), sieve.pseudonyms.of_bytes(row["raw"])[:20]
    else:
        raw, key, content = sieve.instead(record, row["source_id"], row["raw"])
    return {**row, "raw": raw, "source_id": key, "content": content}
