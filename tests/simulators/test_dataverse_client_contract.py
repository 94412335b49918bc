"""Microsoft's own Python client against the simulator: records, queries, files and data frames."""

import sys

import pandas
import pytest
from PowerPlatform.Dataverse.core.errors import HttpError, MetadataError, ValidationError
from PowerPlatform.Dataverse.models.filters import ColumnProxy, col, raw
from PowerPlatform.Dataverse.models.query_builder import ExpandOption
from PowerPlatform.Dataverse.models.upsert import UpsertItem
from PowerPlatform.Dataverse.operations.dataframe import DataFrameOperations
from PowerPlatform.Dataverse.operations.files import FileOperations
from PowerPlatform.Dataverse.operations.query import QueryOperations
from PowerPlatform.Dataverse.operations.records import RecordOperations

from tests.simulators.dataverse_organisation import organisation, publisher
from tests.simulators.microsoft_client import connect, not_called, public_methods


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        publisher(served, "new")
        yield served


@pytest.fixture(scope="module")
def client(org):
    with connect(org.address) as made:
        yield made


@pytest.fixture(scope="module")
def family(client):
    """An account with three contacts: the account's id."""
    account = client.records.create("account", {"name": "Family Ltd", "revenue": 1000})
    bind = {"parentcustomerid_account@odata.bind": f"/accounts({account})"}
    names = [("Ada", "Alpha", 2), ("Bea", "Beta", 1), ("Cid", "O'Gamma", None)]
    client.records.create("contact", [{"firstname": f, "lastname": s, "numberofchildren": n, **bind} for f, s, n in names])
    return account


def names_of(rows):
    return [row["lastname"] for row in rows]


def test_the_suite_calls_everything_that_the_client_offers(client):
    spaces = {"records": RecordOperations, "query": QueryOperations, "files": FileOperations, "dataframe": DataFrameOperations}
    module = sys.modules[__name__]
    assert [name for space, cls in spaces.items() for name in not_called(module, f"client.{space}", cls)] == []
    offered = {name for name, space in vars(client).items() if ".operations." in type(space).__module__}
    assert offered == {*spaces, "tables", "batch"}  # the last two have a module of their own


def test_records_are_created_read_changed_and_deleted(client):
    account = client.records.create("account", {"name": "Contoso", "industrycode": "Consulting"})
    assert client.records.retrieve("account", account, select=["name", "industrycode"])["industrycode"] == 7
    client.records.update("account", account, {"name": "Contoso Ltd"})
    assert client.records.retrieve("account", account, select=["name"])["name"] == "Contoso Ltd"
    client.records.delete("account", account)
    assert client.records.retrieve("account", account, select=["name"]) is None


def test_many_records_go_by_the_multiple_messages(client):
    ids = client.records.create("contact", [{"lastname": f"Bulk {n}"} for n in range(7)])
    assert len(set(ids)) == 7
    client.records.update("contact", ids, {"jobtitle": "Tester"})
    found = client.records.list("contact", filter="jobtitle eq 'Tester'", select=["lastname"], page_size=3)
    assert sorted(names_of(found)) == [f"Bulk {n}" for n in range(7)]
    client.records.update("contact", ids[:2], [{"jobtitle": "First"}, {"jobtitle": "Second"}])
    assert [client.records.retrieve("contact", i, select=["jobtitle"])["jobtitle"] for i in ids[:3]] == ["First", "Second", "Tester"]
    assert client.records.delete("contact", ids[:4])
    assert client.records.delete("contact", ids[4:], use_bulk_delete=False) is None
    assert not client.records.list("contact", filter="startswith(lastname,'Bulk')")


def test_one_bad_row_refuses_all_rows_of_a_call(client):
    with pytest.raises(HttpError) as caught:
        client.records.create("contact", [{"lastname": "Good one"}, {"lastname": "x" * 51}])
    assert (caught.value.status_code, caught.value.details["service_error_code"]) == (400, "0x80044331")
    assert not client.records.list("contact", filter="lastname eq 'Good one'")


def test_upserts_go_by_an_alternate_key(client):
    client.tables.create_alternate_key("account", "new_numberkey", ["accountnumber"])
    one = {"alternate_key": {"accountnumber": "O'1"}, "record": {"name": "One"}}
    client.records.upsert("account", [one])
    client.records.upsert("account", [{**one, "record": {"name": "One again"}}, UpsertItem({"accountnumber": "O2"}, {"name": "Two"})])
    ordered = {"select": ["name", "accountnumber"], "orderby": ["accountnumber"]}
    found = client.records.list("account", filter="startswith(accountnumber,'O')", **ordered)
    assert [(r["accountnumber"], r["name"]) for r in found] == [("O'1", "One again"), ("O2", "Two")]
    with pytest.raises(HttpError) as caught:
        client.records.upsert("account", [{"alternate_key": {"emailaddress1": "a@b.example"}, "record": {"name": "No key"}}])
    assert caught.value.details["service_error_code"] == "0x80060890"


def test_rows_are_listed_page_by_page_ordered_expanded_and_counted(client, family):
    nav = "parentcustomerid_account"
    within = f"_parentcustomerid_value eq {family}"
    pages = list(
        client.records.list_pages("contact", filter=within, orderby=["lastname desc"], expand=[f"{nav}($select=name)"], page_size=2)
    )
    assert [names_of(page) for page in pages] == [["O'Gamma", "Beta"], ["Alpha"]]
    assert pages[0][0][nav]["name"] == "Family Ltd"
    top = client.records.list("contact", filter=within, top=1, orderby=["firstname"], count=True, include_annotations="*")
    assert names_of(top) == ["Alpha"]
    assert top.first()["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    one = client.records.retrieve("account", family, select=["name"], expand=["contact_customer_accounts($select=lastname)"])
    assert sorted(names_of(one["contact_customer_accounts"])) == ["Alpha", "Beta", "O'Gamma"]
    with pytest.deprecated_call():
        assert client.records.get("account", family, select=["name"])["name"] == "Family Ltd"
    with pytest.deprecated_call():
        assert [len(page) for page in client.records.get("contact", filter=within, page_size=2)] == [2, 1]


def test_queries_are_built_paged_and_annotated(client):
    client.records.create("lead", [{"subject": f"Query {n}", "lastname": "Q", "leadqualitycode": 1 + n % 2} for n in range(5)])
    query = client.query.builder("lead").select("subject", "leadqualitycode").where(col("leadqualitycode") == 1).order_by("subject")
    rows = list(query.include_formatted_values().page_size(2).count().execute())
    assert [r["subject"] for r in rows] == ["Query 0", "Query 2", "Query 4"]
    assert rows[0]["leadqualitycode@OData.Community.Display.V1.FormattedValue"] == "Hot"
    pages = client.query.builder("lead").where(col("lastname") == "Q").include_annotations().page_size(3).execute_pages()
    assert [len(page) for page in pages] == [3, 2]
    frame = client.query.builder("lead").select("subject").where(col("lastname") == "Q").order_by("subject", descending=True).top(2)
    assert list(frame.execute().to_dataframe()["subject"]) == ["Query 4", "Query 3"]


# what a filter says of the family's contacts -> whom it finds
FILTERS = {
    "equal": (col("lastname") == "o'gamma", "C"),
    "unequal": (col("firstname") != "Ada", "BC"),
    "greater": (col("numberofchildren") > 1, "A"),
    "at least": (col("numberofchildren") >= 1, "AB"),
    "less": (col("numberofchildren") < 2, "B"),
    "at most": (col("numberofchildren") <= 2, "AB"),
    "is_null": (col("numberofchildren").is_null(), "C"),
    "is_not_null": (col("numberofchildren").is_not_null(), "AB"),
    "in_": (col("firstname").in_(["Ada", "Cid"]), "AC"),
    "not_in": (col("firstname").not_in(["Ada"]), "BC"),
    "between": (col("numberofchildren").between(1, 2), "AB"),
    "not_between": (col("numberofchildren").not_between(2, 9), "BC"),
    "contains": (col("lastname").contains("amm"), "C"),
    "startswith": (col("lastname").startswith("al"), "A"),
    "endswith": (col("lastname").endswith("ta"), "B"),
    "like": (col("lastname").like("%a"), "ABC"),
    "not_like": (col("lastname").not_like("b%"), "AC"),
    "and": ((col("firstname") == "Ada") & (col("numberofchildren") == 2), "A"),
    "or": ((col("firstname") == "Ada") | (col("firstname") == "Cid"), "AC"),
    "not": (~(col("firstname") == "Ada"), "BC"),
    "raw": (raw("firstname eq 'Bea'"), "B"),
    "through": (raw("parentcustomerid_account/name eq 'Family Ltd'"), "ABC"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_each_kind_of_filter_finds_what_it_says(client, family, name):
    condition, initials = FILTERS[name]
    query = client.query.builder("contact").select("firstname").where(raw(f"_parentcustomerid_value eq {family}")).where(condition)
    assert sorted(row["firstname"][0] for row in query.execute()) == list(initials)


def test_the_filters_of_the_suite_are_all_that_there_are():
    assert {name for name in public_methods(ColumnProxy)} <= set(FILTERS)


def test_an_expanded_collection_is_filtered_ordered_and_cut(client, family):
    children = (
        ExpandOption("contact_customer_accounts").select("lastname").filter("contains(lastname,'a')").order_by("lastname", True).top(2)
    )
    row = client.query.builder("account").select("name").where(raw(f"accountid eq {family}")).expand(children).execute().first()
    assert names_of(row["contact_customer_accounts"]) == ["O'Gamma", "Beta"]


def test_fetchxml_pages_by_its_cookie_and_aggregates(client, family):
    condition = f'<filter><condition attribute="parentcustomerid" operator="eq" value="{family}"/></filter>'
    entity = f'<entity name="contact"><attribute name="lastname"/><order attribute="lastname"/>{condition}</entity>'
    pages = [names_of(page) for page in client.query.fetchxml(f'<fetch count="2">{entity}</fetch>').execute_pages()]
    assert pages == [["Alpha", "Beta"], ["O'Gamma"]]
    total = f'<entity name="contact"><attribute name="numberofchildren" alias="n" aggregate="sum"/>{condition}</entity>'
    assert client.query.fetchxml(f'<fetch aggregate="true">{total}</fetch>').execute()[0]["n"] == 3


# SQL -> rows; {a} is the account
SQL = {
    "SELECT TOP 2 lastname FROM contact WHERE parentcustomerid = '{a}' ORDER BY lastname DESC": [("O'Gamma",), ("Beta",)],
    "SELECT c.firstname AS f, a.name FROM contact c JOIN account a ON c.parentcustomerid = a.accountid WHERE c.lastname = 'O''Gamma'": [
        ("Cid", "Family Ltd")
    ],
    "SELECT a.name, COUNT(c.contactid) AS cnt, SUM(c.numberofchildren) AS s FROM account a LEFT JOIN contact c"
    " ON a.accountid = c.parentcustomerid WHERE a.accountid = '{a}' GROUP BY a.name": [("Family Ltd", 3, 3)],
    "SELECT DISTINCT parentcustomerid FROM contact WHERE parentcustomerid = '{a}'": [("{a}",)],
    "SELECT firstname FROM contact WHERE parentcustomerid = '{a}' ORDER BY firstname OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY": [("Bea",)],
    "SELECT lastname FROM contact WHERE parentcustomerid = '{a}' AND (numberofchildren IS NULL OR numberofchildren IN (1)) AND lastname"
    " LIKE '%a' AND firstname NOT IN ('Bea') AND createdon BETWEEN '2000-01-01' AND '2999-01-01'": [("O'Gamma",)],
    "SELECT COUNT(*) AS c, MIN(numberofchildren) AS l, MAX(numberofchildren) AS m, AVG(numberofchildren) AS v FROM contact"
    " WHERE parentcustomerid = '{a}'": [(3, 1, 2, 1.5)],
    "SELECT donotemail FROM contact WHERE firstname = 'ada' AND donotemail = 0": [(False,)],
}


@pytest.mark.parametrize("text", SQL)
@pytest.mark.filterwarnings("ignore:Query contains a leading-wildcard")
def test_sql_reads_what_the_client_says_it_can(client, family, text):
    rows = client.query.sql(text.format(a=family))
    assert [tuple(row.data.values()) for row in rows] == [
        tuple(v.format(a=family) if isinstance(v, str) else v for v in r) for r in SQL[text]
    ]


@pytest.mark.parametrize("text", [
    "SELECT * FROM contact", "SELECT lastname FROM contact UNION SELECT name FROM account", "SELECT COUNT(*) FROM contact HAVING 1 > 0",
    "SELECT lastname FROM contact CROSS JOIN account", "SELECT lastname FROM contact WHERE contactid IN (SELECT contactid FROM contact)",
    "SELECT UPPER(lastname) FROM contact", "SELECT nosuch FROM contact", "SELECT TOP 5001 lastname FROM contact", "DELETE FROM contact",
    "SELECT lastname, COUNT(*) FROM contact GROUP BY firstname", "SELECT lastname FROM contact; SELECT 1", "SELECT lastname FROM nosuch",
    "SELECT lastname FROM contact LIMIT 1", "SELECT lastname FROM contact OFFSET 1 ROWS", "SELECT lastname FROM account", "",
])  # fmt: skip
def test_sql_that_the_service_does_not_take_is_refused_by_it_as_by_the_client(client, org, text):
    answer = org.call("GET", "contacts", params={"sql": text})
    assert answer.status_code == 400
    with pytest.raises((ValidationError, HttpError, MetadataError, ValueError)):
        client.query.sql(text or " ")


def test_columns_and_navigations_are_told_for_queries(client, family):
    columns = {column["name"]: column for column in client.query.sql_columns("account")}
    assert columns["accountid"]["is_pk"]
    assert columns["name"] == {"name": "name", "type": "String", "is_pk": False, "is_name": True, "label": "Account Name"}
    expands = client.query.odata_expands("contact")
    assert ("parentcustomerid_account", "accounts") in {(e["nav_property"], e["target_entity_set"]) for e in expands}
    with pytest.deprecated_call():
        assert "lastname" in client.query.odata_select("contact")
    with pytest.deprecated_call():
        assert client.query.odata_expand("opportunity", "pricelevel") == "pricelevelid"
    with pytest.deprecated_call():
        bound = client.query.odata_bind("opportunity", "pricelevel", family)
    assert bound == {"pricelevelid@odata.bind": f"/pricelevels({family})"}


def test_files_are_uploaded_whole_and_in_chunks_and_only_into_an_empty_column_unless_told(client, org, tmp_path):
    client.tables.add_columns("account", {"new_Contract": "file"})
    account = client.records.create("account", {"name": "Filed"})
    small, large = tmp_path / "small.txt", tmp_path / "large.bin"
    small.write_bytes(b"few words")
    large.write_bytes(bytes(range(256)) * 20_000)
    client.files.upload("account", account, "new_Contract", str(small), mime_type="text/plain")
    row = org.get(f"accounts({account})?$select=new_contract,new_contract_name")
    assert (row["new_contract_name"], len(row["new_contract"])) == ("small.txt", 36)
    with pytest.raises(HttpError) as caught:
        client.files.upload("account", account, "new_Contract", str(large))
    assert caught.value.status_code == 412
    client.files.upload("account", account, "new_Contract", str(large), mode="chunk", if_none_match=False)
    got = org.call("GET", f"accounts({account})/new_contract/$value")
    assert (got.content, got.headers["x-ms-file-name"]) == (large.read_bytes(), "large.bin")
    assert org.call("DELETE", f"accounts({account})/new_contract").status_code == 204
    assert org.call("GET", f"accounts({account})/new_contract/$value").status_code == 204


def test_a_file_that_is_too_large_or_of_a_blocked_kind_is_refused(client, tmp_path):
    client.tables.add_columns("account", {"new_Picture": "file"})
    account = client.records.create("account", {"name": "Filed badly"})
    blocked = tmp_path / "run.exe"
    blocked.write_bytes(b"x")
    with pytest.raises(HttpError) as caught:
        client.files.upload("account", account, "new_Picture", str(blocked))
    assert caught.value.details["service_error_code"] == "0x80043e09"
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(32769 * 1024))
    with pytest.raises(HttpError) as caught:
        client.files.upload("account", account, "new_Picture", str(large))
    assert caught.value.details["service_error_code"] == "0x80044a02"


def test_data_frames_go_in_and_come_out(client):
    frame = pandas.DataFrame([{"lastname": "Frame 1", "jobtitle": "a"}, {"lastname": "Frame 2", "jobtitle": None}])
    frame["contactid"] = client.dataframe.create("contact", frame)
    client.dataframe.update(
        "contact", frame.assign(jobtitle=["b", None])[["contactid", "jobtitle"]], id_column="contactid", clear_nulls=True
    )
    got = client.dataframe.sql("SELECT jobtitle FROM contact WHERE lastname LIKE 'Frame%' ORDER BY lastname")
    assert (got["jobtitle"][0], got["jobtitle"].isna()[1]) == ("b", True)
    with pytest.deprecated_call():
        got = client.dataframe.get("contact", filter="startswith(lastname,'Frame')", select=["lastname"])
    assert sorted(got["lastname"]) == ["Frame 1", "Frame 2"]
    assert client.dataframe.delete("contact", frame["contactid"])
    assert client.dataframe.sql("SELECT lastname FROM contact WHERE lastname LIKE 'Frame%'").empty


def test_a_refusal_reaches_the_caller_with_the_services_code(client):
    with pytest.raises(HttpError) as caught:
        client.records.create("account", {"nosuchcolumn": 1})
    assert caught.value.details["service_error_code"] == "0x80048d19"


def test_a_throttled_call_tells_the_caller_how_long_to_wait(client, org):
    org.control("limits", {"pace": "real", "requests": 1})
    client.records.list("account", top=1)
    with pytest.raises(HttpError) as caught:
        client.records.list("account", top=1)
    org.control("limits", {"pace": "none"})
    assert (caught.value.status_code, caught.value.is_transient) == (429, True)
    assert caught.value.details["retry_after"] > 100
