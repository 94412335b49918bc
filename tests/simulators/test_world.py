import hashlib
import re
import unicodedata

import orjson
import pytest

from connectors.simulators.world import write_world
from connectors.simulators.world.companies import UNKNOWN_OWNERS

STAGES = ("subscriber", "lead", "MQL", "SQL", "customer", "evangelist")
STAGES_FOLDED = [stage.casefold() for stage in STAGES]
FREE_TEXT = ("firstName", "lastName", "jobTitle", "companyName", "notes")
ORGANISATIONS = ("dataverse", "dataverse_sandbox")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("world")
    write_world(made, 200, 3)
    return made


def rows(folder, name):
    return [orjson.loads(line) for line in (folder / name).read_bytes().splitlines()]


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def texts(row):
    return [value for value in row.values() if isinstance(value, str)]


def stage(row):
    return str(row.get("lifecycleStage") or "").strip().casefold()


def normal(row):
    return str(row.get("email") or "").strip().lower()


def by_address(people):
    found = {}
    for row in people:
        found.setdefault(normal(row), []).append(row)
    return [group for address, group in found.items() if len(group) > 1 and "@" in address]


def plain(name):
    return "".join(c for c in unicodedata.normalize("NFKD", str(name).casefold()) if not unicodedata.combining(c))


def test_the_same_people_and_seed_give_the_same_bytes_and_another_seed_others(folder, tmp_path):
    write_world(tmp_path / "again", 200, 3)
    write_world(tmp_path / "other", 200, 4)
    assert content(tmp_path / "again") == content(folder)
    assert content(tmp_path / "other") != content(folder)


@pytest.mark.parametrize("people", [0, 1, 30, 201])
def test_a_world_of_any_size_has_as_many_profiles_and_the_sandbox_each_file_of_production(tmp_path, people):
    write_world(tmp_path, people, 1)
    files = [{path.name for path in (tmp_path / name).iterdir()} for name in ORGANISATIONS]
    assert files[0] == files[1]
    assert "contact.ndjson" in files[0]
    assert len(rows(tmp_path, "iterable/export/user.ndjson")) == people


SPECIMENS = {
    "an invalid address": lambda p: any(not re.fullmatch(r"[^@\s;:]+@[^@\s]+\.[^@\s]+", normal(r)) for r in p if normal(r)),
    "no address": lambda p: any("email" not in r for r in p),
    "no user id": lambda p: any("userId" not in r for r in p),
    "a role address": lambda p: any(normal(r).startswith(("info@", "sales@")) for r in p),
    "free mail": lambda p: any(normal(r).endswith("@gmail.com") for r in p),
    "an internationalised domain": lambda p: any("ü" in normal(r) for r in p) and any("@xn--" in normal(r) for r in p),
    "no stage": lambda p: any("lifecycleStage" not in r for r in p),
    "a blank stage": lambda p: any("lifecycleStage" in r and not stage(r) for r in p),
    "a stage in odd case": lambda p: any(str(r.get("lifecycleStage")) not in STAGES and stage(r) in STAGES_FOLDED for r in p),
    "an unknown stage": lambda p: any(stage(r) and stage(r) not in STAGES_FOLDED for r in p),
    "too long a name": lambda p: any(len(str(r.get("lastName"))) > 50 for r in p),
    "very long text": lambda p: any(len(str(r.get("notes"))) > 20_000 for r in p),
    "emoji": lambda p: any(any(c in text for c in "🚀👧🌈𝓜") for r in p for text in texts(r)),
    "Chinese": lambda p: any("CJK" in unicodedata.name(c, "") for r in p for text in texts(r) for c in text),
    "right to left": lambda p: any(unicodedata.bidirectional(c) == "AL" for r in p for text in texts(r) for c in text),
    "a control character": lambda p: any(unicodedata.category(c) == "Cc" for r in p for text in texts(r) for c in text),
    "a formula": lambda p: any(str(r.get(key)).strip()[:1] in ("=", "@", "+", "-") for r in p for key in FREE_TEXT),
    "markup": lambda p: any(re.search(r"<\w+>|\{\{", text) for r in p for text in texts(r)),
    "a score that is text": lambda p: any(isinstance(r.get("score"), str) for r in p),
    "an owner who left": lambda p: any(r.get("ownerEmail") == "kerstin.adler@haldenvoss.example" for r in p),
    "an unknown owner": lambda p: any(r.get("ownerEmail") in UNKNOWN_OWNERS for r in p),
    "a blank owner": lambda p: any(not str(r.get("ownerEmail") or "").strip() for r in p),
    "several companies": lambda p: any(len([n for n in r.get("emailListIds") or [] if n > 50_000]) > 1 for r in p),
    "a company of too long a name": lambda p: any(49_001 in (r.get("emailListIds") or []) for r in p),
    "a suppressed person": lambda p: any(4301 in (r.get("emailListIds") or []) for r in p),
    "no consent arrays": lambda p: any(not [key for key in r if "ubscribed" in key] for r in p),
    "a refused channel and a subscribed type": lambda p: any(
        r.get("unsubscribedChannelIds") == [31] and 903 in r.get("subscribedMessageTypeIds", []) for r in p
    ),
    "a date before 1753": lambda p: any(re.match("0001|1[0-7]", str(r.get("birthday"))) for r in p),
    "time zero": lambda p: any(str(r.get("profileUpdatedAt")).startswith("1970-01-01") for r in p),
    "equal moments": lambda p: len({r["profileUpdatedAt"] for r in p}) < len(p) - 5,
    "a double in other case": lambda p: any(len({r["email"] for r in group}) > 1 for group in by_address(p)),
    "a double of the same moment": lambda p: any(len({r["profileUpdatedAt"] for r in g}) < len(g) for g in by_address(p)),
    "a double with another last name": lambda p: any(len({plain(r.get("lastName")) for r in g}) > 1 for g in by_address(p)),
    "a double with other accents": lambda p: any(
        len({r.get("lastName") for r in g}) > 1 and len({plain(r.get("lastName")) for r in g}) == 1 for g in by_address(p)
    ),
}


@pytest.mark.parametrize("kind", SPECIMENS)
def test_two_hundred_people_hold_a_specimen_of_each_kind_of_dirt(folder, kind):
    assert SPECIMENS[kind](rows(folder, "iterable/export/user.ndjson"))


def test_no_two_profiles_have_one_key(tmp_path):
    write_world(tmp_path, 15_000, 11)
    keys = [row.get("userId") or normal(row) for row in rows(tmp_path, "iterable/export/user.ndjson")]
    assert all(keys)
    assert len(set(keys)) == len(keys)


def test_the_register_of_forgotten_people_names_people_of_the_export_by_hash(folder):
    hashed = set(orjson.loads((folder / "iterable/users/forgotten.json").read_bytes())["hashedEmails"])
    people = rows(folder, "iterable/export/user.ndjson")
    found = {normal(row) for row in people if hashlib.sha256(normal(row).encode()).hexdigest() in hashed}
    assert found
    assert len(found) < len(hashed)


def test_dates_follow_the_seed_and_not_today(folder, tmp_path):
    write_world(tmp_path, 200, 4)
    newest = [max(row["profileUpdatedAt"] for row in rows(place, "iterable/export/user.ndjson")) for place in (folder, tmp_path)]
    assert newest[0][:7] != newest[1][:7]
    assert all("2024-01" < moment < "2025-08" for moment in newest)


def test_lists_of_companies_are_named_by_a_rule_and_dynamic_members_have_a_file(folder):
    lists = orjson.loads((folder / "iterable/lists.json").read_bytes())["lists"]
    assert len({entry["id"] for entry in lists}) == len(lists)
    assert sum(entry["name"].startswith("Company: ") for entry in lists) > 8
    assert any(len(entry["name"]) > 170 for entry in lists)
    assert {entry["listType"] for entry in lists} == {"Standard", "Dynamic", "Suppression", "Internal"}
    dynamic = [entry for entry in lists if entry["listType"] == "Dynamic"]
    assert all((folder / f"iterable/lists/{entry['id']}.txt").stat().st_size for entry in dynamic)
    assert sum(entry["name"].startswith("Company: ") for entry in dynamic) == 3


@pytest.mark.parametrize("organisation", ORGANISATIONS)
def test_the_destination_holds_rows_that_match_in_other_case_twice_or_when_closed(folder, organisation):
    addresses = {normal(row): row["email"] for row in rows(folder, "iterable/export/user.ndjson") if normal(row)}
    contacts, leads = rows(folder, f"{organisation}/contact.ndjson"), rows(folder, f"{organisation}/lead.ndjson")
    known = [row["emailaddress1"].strip().lower() for row in contacts]
    assert set(known) <= set(addresses)
    assert any(row["emailaddress1"] != addresses[row["emailaddress1"].strip().lower()] for row in contacts)
    assert len(set(known)) < len(known)
    assert {row["statecode"] for row in leads} == {0, 1, 2}


@pytest.mark.parametrize("organisation", ORGANISATIONS)
def test_every_lookup_of_the_destination_finds_its_row(folder, organisation):
    tables = ("businessunit", "systemuser", "team", "account", "contact", "lead")
    found = {table: rows(folder, f"{organisation}/{table}.ndjson") for table in tables}
    ids = {row[f"{table}id"] for table in tables for row in found[table]}
    cells = [cell for table in tables for row in found[table] for cell in row.items()]
    lookups = [value for key, value in cells if re.fullmatch(r"_\w+_value", key) and value]
    assert lookups
    assert set(lookups) <= ids


def test_sandbox_and_production_know_the_same_salespeople_under_other_ids(folder):
    users = [{row["domainname"]: row["systemuserid"] for row in rows(folder, f"{name}/systemuser.ndjson")} for name in ORGANISATIONS]
    assert len(users[0].keys() - users[1].keys()) == 1
    assert not set(users[0].values()) & set(users[1].values())
    assert any(row["isdisabled"] for row in rows(folder, "dataverse/systemuser.ndjson"))
