"""Who is one person and which company is theirs, on keys alone."""

import pyarrow as pa
import pytest

from connectors.store import database
from mapping import clusters
from mapping.people import KEYS
from tests.spine.test_deciding import key


@pytest.fixture
def con():
    with database() as con:
        yield con


def clustered(con, *keys: dict) -> None:
    con.register("given", pa.Table.from_pylist(list(keys), schema=KEYS))
    con.execute("CREATE TABLE keys AS SELECT * FROM given")
    clusters.cluster(con)


def test_what_any_record_of_a_person_refused_is_refused_whichever_is_the_newest(con):
    older = {"email": "one@x.example", "updated": "2024-01-01T00:00:00Z", "no_mail": True, "suppressed": True, "consent_email": 2}
    clustered(con, key(1, **older), key(2, email="one@x.example", updated="2025-01-01T00:00:00Z"))
    assert con.execute("SELECT survivor, no_mail, suppressed, consent_email FROM clusters").fetchall() == [(2, True, True, 2)]


def test_an_organisation_whose_members_share_two_domains_alike_has_none(con):
    of_tied = {1: "a@one.example", 2: "b@two.example", 4: "d@two.example"}
    tied = [key(number, email=email, lists=["1"]) for number, email in of_tied.items()]
    clustered(con, *tied, key(3, email="c@one.example", lists=["1", "2"]))
    con.execute("CREATE TABLE wanted AS SELECT cluster FROM clusters")
    clusters.load_organisations(con, {"1": "Tied", "2": "Own"}, frozenset())
    clusters.assign_companies(con, by_domain=True)
    found = dict(con.execute("SELECT cluster, company FROM assigned").fetchall())
    assert con.execute("SELECT company, domain FROM commonest").fetchall() == [("list:2", "one.example")]
    assert found[3] == "list:2"
