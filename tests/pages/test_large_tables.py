"""Lists over tables that grow with the records: each page costs the same, wherever it is and however many rows there are."""

import re
import uuid

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Field
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loads.desk import groups
from loads.models import Conflict, Crosswalk, Departed, LedgerEntry
from tests.pages import cast
from workbench.engagements import history, keyset
from workbench.engagements.large_tables import LargeTable

pytestmark = [pytest.mark.database, pytest.mark.django_db]
admin.autodiscover()
PAGES = {model: page for model, page in admin.site._registry.items() if isinstance(page, LargeTable)}
ROWS = 130


@pytest.fixture
def run(northwind, people):
    """A run with rows of everything that is large; one exception in 100 is held."""
    cast.make_planned(northwind)
    run = cast.make_run(northwind, people.engineer)
    phase, environment = run.phases.last(), run.environment
    of_row = {"object_name": "user", "table": "contact"}
    Crosswalk.objects.bulk_create(
        Crosswalk(environment=environment, source_id=f"u-{n}", row_id=uuid.UUID(int=n), **of_row) for n in range(ROWS)
    )
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            run=run, phase=phase, object_name="user", source_id=f"u-{n}", position=n, code="c", outcome="rejected" if n % 100 else "held"
        )
        for n in range(ROWS)
    )
    rows = [{"run": run, "source_id": f"u-{n}", "row_id": uuid.UUID(int=n), **of_row} for n in range(3)]
    Conflict.objects.bulk_create(Conflict(environment=environment, **row) for row in rows)
    Departed.objects.bulk_create(Departed(cause="deleted", **row) for row in rows)
    cast.make_verified(run, "u-1")
    history.record(northwind, actor="engineer", action="changed", subject="something")
    return run


@pytest.fixture
def client(people, as_user):
    return as_user(people.engineer)


def listed(client, url: str):
    """The list at an address, after what it leads to first."""
    answer = client.get(url, follow=True)
    assert answer.status_code == 200
    return answer.context["cl"]


def address(model, query: str = "") -> str:
    return f"{reverse(f'admin:{model._meta.app_label}_{model._meta.model_name}_changelist')}{query}"


def walked(client, found, way: str):
    """The pages one after the other, by the links that they show, from one on."""
    pages = [found]
    while (link := getattr(found, f"{way}_link")) and len(pages) < 20:
        found = listed(client, address(found.model, link))
        pages.append(found)
    return pages


def test_every_row_is_on_one_page_whichever_way_they_are_turned(client, run):
    first = listed(client, address(Crosswalk))
    older = walked(client, first, "older")
    assert [row.source_id for page in older for row in page.result_list] == [f"u-{n}" for n in reversed(range(ROWS))]
    newer = walked(client, older[-1], "newer")
    assert [row.source_id for row in newer[-1].result_list] == [row.source_id for row in first.result_list]
    assert {row.source_id for page in newer for row in page.result_list} == {f"u-{n}" for n in range(ROWS)}
    assert first.page.count_text == "130"
    assert "p=" not in newer[-1].newest_link


def test_where_no_index_holds_what_is_asked_for_a_page_looks_at_a_part_and_says_so(client, run, monkeypatch):
    monkeypatch.setattr(keyset, "WINDOW", 25)
    found = listed(client, address(LedgerEntry, f"?run__id__exact={run.pk}&outcome__exact=held"))
    assert not found.result_list
    assert "Only part of the list was looked through" in client.get(address(LedgerEntry, found.get_query_string())).content.decode()
    pages = walked(client, found, "older")
    assert [row.source_id for page in pages for row in page.result_list] == ["u-100", "u-0"]
    assert len(pages) == 6
    back = walked(client, pages[-1], "newer")
    assert {row.source_id for page in back for row in page.result_list} == {"u-100", "u-0"}


def test_counts_end_early_and_say_so(client, run, monkeypatch):
    monkeypatch.setattr(keyset, "COUNT_AT_MOST", 100)
    found = listed(client, address(Crosswalk))
    assert (found.page.count_text, found.result_count) == ("more than 100", 50)
    assert "more than 100 crosswalk" in client.get(address(Crosswalk), follow=True).content.decode()


def test_a_list_of_one_engagement_never_shows_rows_of_another(client, run, people):
    other = cast.make_engagement("Contoso")
    Crosswalk.objects.create(
        environment=other.environments.first(), object_name="user", source_id="hidden", table="contact", row_id=uuid.uuid4()
    )
    assert listed(client, address(Crosswalk)).result_list[0].source_id == f"u-{ROWS - 1}"
    elsewhere = f"?environment__id__exact={other.environments.first().pk}"
    assert not listed(client, address(Crosswalk, elsewhere)).result_list
    assert not listed(client, address(Crosswalk, "?q=hidden")).result_list


def queries_of(model, run) -> list[str]:
    """Addresses' queries: the first page, others, each filter, and a search."""
    page = PAGES[model]
    part = f"?{page.part_parameter}={ {'run': run, 'environment': run.environment, 'engagement': run.engagement}[page.part].pk }"
    names = [spec if isinstance(spec, str) else spec[0] for spec in page.list_filter if isinstance(spec, str | tuple)]
    fields: dict[str, Field] = {name: model._meta.get_field(name) for name in names}
    values = {name: field.choices[0][0] if field.choices else "1" for name, field in fields.items() if not field.is_relation}
    filters = [f"{part}&{name}={value}&{name}__exact={value}" for name, value in values.items()]
    return [part, f"{part}&p=before-3", f"{part}&p=after-1", f"{part}&q=u-1", f"{part}&q={uuid.UUID(int=1)}", "?q=u-1", *filters]


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.model_name)
def test_no_page_counts_sorts_or_skips_through_a_large_table(client, run, model, monkeypatch):
    monkeypatch.setattr(PAGES[model], "list_per_page", 5)  # what is asked is the same, and fewer rows are rendered
    table = model._meta.db_table
    for query in queries_of(model, run):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address(model, query), follow=True).status_code == 200
        asked = [one["sql"] for one in captured if f'FROM "{table}"' in one["sql"] and one["sql"].startswith("SELECT")]
        assert asked, query
        for sql in asked:
            plan = explained(sql)
            assert not re.search(rf"(SCAN|Seq Scan on) {table}", plan), f"{query}\n{sql}\n{plan}"
            assert "OFFSET" not in sql
            assert "COUNT(" not in sql or "LIMIT 10001" in sql
            assert f'SELECT DISTINCT "{table}"' not in sql
            few = "q=" in query and PAGES[model].search_is_indexed  # rows of one source id may be sorted
            if not few and re.match(rf'SELECT [^(]* FROM "{table}"', sql):
                assert not re.search(rf"TEMP B-TREE FOR ORDER BY|Sort Key: {table}", plan), f"{query}\n{sql}\n{plan}"


def test_the_desk_counts_groups_of_exceptions_in_an_index_alone(run):
    with CaptureQueriesContext(connection) as captured:
        assert [(group.code, group.outcome, group.records) for group in groups.groups(run)] == [("c", "rejected", 128), ("c", "held", 2)]
    [counted] = [one["sql"] for one in captured if "GROUP BY" in one["sql"] and "EXISTS" not in one["sql"]]
    assert re.search(r"(COVERING INDEX|Index Only Scan using) ledger_group", explained(counted))


def explained(sql: str) -> str:
    """How the database would carry a query out over a large table: on PostgreSQL by an index wherever there is one."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {sql}")
            return "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return "\n".join(row[3] for row in cursor.fetchall())
