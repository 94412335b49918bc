"""Which of a table's staged rows a sample takes: what stands out first, then each choice, owner and kind, and enough of them in all."""

import json
from types import SimpleNamespace

import pytest

from connectors import store
from loads.sampling import AT_MOST, LEAST_PER_TABLE, dealt, ranked

ROWS, SHARE = 2_000, 28  # of fourteen tables
LONGEST, EMPTIEST, RARE = 1_900, 1_950, 1_980
TABLE = SimpleNamespace(columns={"grade": SimpleNamespace(kind="Choice")})


def row(number: int) -> dict:
    if number == EMPTIEST:
        return {"name": "E"}
    texts = {f"text{n}": f"value {(number + n) % 30}" for n in range(8)}
    kind = {"grade": 5 if number == RARE else number % 4, "ownerid@odata.bind": f"/systemusers({number % 60})"}
    return {"name": f"Row {number}", "country": f"Country {number % 70}", **kind, **texts} | (
        {"memo": "long " * 99} if number == LONGEST else {}
    )


@pytest.fixture
def chosen(tmp_path) -> list[int]:
    path = tmp_path / "rows.parquet"
    with store.database() as con:
        rows = [(number, "create", json.dumps(row(number))) for number in range(ROWS)]
        con.execute("CREATE TABLE made (position BIGINT, action VARCHAR, said VARCHAR)")
        con.executemany("INSERT INTO made VALUES (?, ?, ?)", rows)
        con.execute(f"""COPY (SELECT position, action, encode(said) AS "values" FROM made) TO '{path}' (FORMAT parquet)""")
        return ranked(con, [str(path)], TABLE)


def test_the_longest_the_emptiest_and_a_rare_choice_are_within_a_small_share(chosen):
    assert {LONGEST, EMPTIEST, RARE} <= set(chosen[:SHARE])


def test_each_owner_and_each_country_is_there_though_there_are_many(chosen):
    found = [row(number) for number in chosen]
    assert len(chosen) == AT_MOST
    assert len({one.get("ownerid@odata.bind") for one in found} - {None}) == 60
    assert len({one.get("country") for one in found[: AT_MOST // 2]} - {None}) >= 40


def test_what_small_tables_do_not_use_of_their_share_the_large_ones_give():
    small, large = [("list", 1), ("list", 2)], [("user", number) for number in range(1_000)]
    assert len(dealt([small, large])) >= AT_MOST
    many = [[(f"object{n}", number) for number in range(1_000)] for n in range(AT_MOST)]
    assert len(dealt(many)) == AT_MOST * LEAST_PER_TABLE
