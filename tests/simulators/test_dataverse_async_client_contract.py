"""Microsoft's own Python client, its asynchronous half, against the simulator: the same calls with `await`."""

import asyncio
import sys

import pandas
import pytest
from PowerPlatform.Dataverse.aio.async_client import AsyncDataverseClient
from PowerPlatform.Dataverse.aio.models.async_fetchxml_query import AsyncFetchXmlQuery
from PowerPlatform.Dataverse.aio.models.async_query_builder import AsyncQueryBuilder
from PowerPlatform.Dataverse.aio.operations.async_batch import AsyncBatchOperations, AsyncBatchRequest
from PowerPlatform.Dataverse.aio.operations.async_dataframe import AsyncDataFrameOperations
from PowerPlatform.Dataverse.aio.operations.async_files import AsyncFileOperations
from PowerPlatform.Dataverse.aio.operations.async_query import AsyncQueryOperations
from PowerPlatform.Dataverse.aio.operations.async_records import AsyncRecordOperations
from PowerPlatform.Dataverse.aio.operations.async_tables import AsyncTableOperations
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.filters import col
from PowerPlatform.Dataverse.models.labels import Label, LocalizedLabel
from PowerPlatform.Dataverse.models.query_builder import ExpandOption
from PowerPlatform.Dataverse.models.relationship import (
    LookupAttributeMetadata,
    ManyToManyRelationshipMetadata,
    OneToManyRelationshipMetadata,
)

from tests.simulators.dataverse_organisation import organisation, publisher
from tests.simulators.microsoft_client import AsyncCredential, not_called, public_methods


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        publisher(served, "new")
        yield served


@pytest.fixture
def run(org):
    """Runs a coroutine function with a connected client; it takes http as it is."""

    def with_client(work):
        async def connected():
            async with AsyncDataverseClient(org.address, AsyncCredential()) as client:
                return await work(client)

        return asyncio.run(connected())

    return with_client


def names_of(rows):
    return [row["lastname"] for row in rows]


def test_the_suite_calls_everything_that_the_client_offers():
    module = sys.modules[__name__]
    receivers = {
        "client.records": AsyncRecordOperations, "client.query": AsyncQueryOperations, "client.tables": AsyncTableOperations,
        "client.files": AsyncFileOperations, "client.dataframe": AsyncDataFrameOperations, "client.batch": AsyncBatchOperations,
        "batch": AsyncBatchRequest, "fetch": AsyncFetchXmlQuery,
    }  # fmt: skip
    assert [name for receiver, cls in receivers.items() for name in not_called(module, receiver, cls)] == []
    # the builder's steps are those of the synchronous client, which has a suite of its own
    assert set(public_methods(AsyncQueryBuilder)) >= {"execute", "execute_pages"}


def test_records_are_written_read_and_deleted(run):
    async def work(client):
        one = await client.records.create("contact", {"lastname": "Async 0"})
        ids = await client.records.create("contact", [{"lastname": f"Async {n}"} for n in range(1, 5)])
        await client.records.update("contact", one, {"jobtitle": "a"})
        await client.records.update("contact", ids[:2], {"jobtitle": "b"})
        await client.records.update("contact", ids[2:], [{"jobtitle": "c"}, {"jobtitle": "d"}])
        query = {"filter": "startswith(lastname,'Async')", "orderby": ["lastname"]}
        found = await client.records.list("contact", select=["jobtitle"], **query)
        pages = [len(page) async for page in client.records.list_pages("contact", page_size=2, **query)]
        await client.records.delete("contact", one)
        gone = await client.records.retrieve("contact", one)
        await client.records.delete("contact", ids[:2], use_bulk_delete=False)
        job = await client.records.delete("contact", ids[2:])
        return [row["jobtitle"] for row in found], pages, gone, bool(job), len(await client.records.list("contact", filter=query["filter"]))

    assert run(work) == (["a", "b", "b", "c", "d"], [2, 2, 1], None, True, 0)


def test_upserts_go_by_an_alternate_key_that_is_made_watched_and_deleted(run):
    async def work(client):
        await client.tables.create_alternate_key("account", "new_asynckey", ["accountnumber"])
        for name in ("One", "One again"):
            await client.records.upsert("account", [{"alternate_key": {"accountnumber": "A+1"[::2]}, "record": {"name": name}}])
        many = [{"alternate_key": {"accountnumber": f"A{n}"}, "record": {"name": f"No {n}"}} for n in (1, 2)]
        await client.records.upsert("account", many)
        (key,) = await client.tables.get_alternate_keys("account")
        await client.tables.delete_alternate_key("account", key.metadata_id)
        found = await client.records.list("account", filter="startswith(accountnumber,'A')", orderby=["accountnumber"], select=["name"])
        return key.status, [row["name"] for row in found], await client.tables.get_alternate_keys("account")

    assert run(work) == ("Active", ["No 1", "No 2"], [])


def test_queries_of_every_kind(run):
    async def work(client):
        account = await client.records.create("account", {"name": "Async + Co"})
        bind = {"parentcustomerid_account@odata.bind": f"/accounts({account})"}
        await client.records.create("contact", [{"lastname": f"Q{n}", "firstname": "Query", **bind} for n in range(3)])
        children = ExpandOption("contact_customer_accounts").select("lastname").order_by("lastname", descending=True).top(2)
        built = await client.query.builder("account").select("name").where(col("name") == "Async + Co").expand(children).execute()
        paged = client.query.builder("contact").where(col("firstname") == "Query").order_by("lastname").page_size(2).execute_pages()
        sizes = [len(page) async for page in paged]
        order = '<attribute name="lastname"/><order attribute="lastname"/>'
        condition = '<filter><condition attribute="firstname" operator="eq" value="Query"/></filter>'
        xml = f'<fetch count="2"><entity name="contact">{order}{condition}</entity></fetch>'
        fetch = client.query.fetchxml(xml)
        fetched = [names_of(page) async for page in fetch.execute_pages()]
        fetch = client.query.fetchxml(xml)
        whole = await fetch.execute()
        sql = await client.query.sql("SELECT a.name, COUNT(*) AS n FROM account a JOIN contact c ON c.parentcustomerid = a.accountid"
                                     " WHERE c.firstname = 'Query' GROUP BY a.name")  # fmt: skip
        columns = await client.query.sql_columns("account")
        expands = await client.query.odata_expands("contact")
        told = "name" in {c["name"] for c in columns} and "parentcustomerid_account" in {e["nav_property"] for e in expands}
        return names_of(built.first()["contact_customer_accounts"]), sizes, fetched, len(whole), sql[0].data, told

    expected = ["Q2", "Q1"], [2, 1], [["Q0", "Q1"], ["Q2"]], 3, {"name": "Async + Co", "n": 3}, True
    assert run(work) == expected


def test_tables_columns_and_relationships_are_made_read_changed_and_deleted(run):
    def label(text):
        return Label([LocalizedLabel(text, 1033)])

    async def work(client):
        info = await client.tables.create("new_Async", {"new_Code": "string"})
        await client.tables.add_columns("new_Async", {"new_Count": {"type": "int", "min_value": 0, "max_value": 9}, "new_Gone": "bool"})
        await client.tables.update_column("new_Async", "new_Count", {"max_value": 99})
        await client.tables.update_columns("new_Async", {"new_Code": {"max_length": 7}})
        await client.tables.remove_columns("new_Async", "new_Gone")
        typed = {c["LogicalName"]: c for c in await client.tables.list_columns("new_Async", typed=True)}
        one = await client.tables.get_column("new_Async", "new_Count")
        lookup = await client.tables.create_lookup_field("new_Async", "new_AccountId", "account")
        relation = OneToManyRelationshipMetadata("new_lead_async", "lead", "new_async", "leadid")
        first = await client.tables.create_one_to_many_relationship(LookupAttributeMetadata("new_LeadId", label("Lead")), relation)
        both = ManyToManyRelationshipMetadata("new_async_both", "new_async", "contact", "new_async_both")
        second = await client.tables.create_many_to_many_relationship(both)
        listed = {r["SchemaName"] for r in await client.tables.list_table_relationships("new_Async")}
        all_of_them = {r["SchemaName"] for r in await client.tables.list_relationships(select=["SchemaName"])}
        for made in (lookup, first, second):
            await client.tables.delete_relationship(made.relationship_id)
        gone = await client.tables.get_relationship("new_lead_async")
        tables = [t["LogicalName"] for t in await client.tables.list(filter="LogicalName eq 'new_async'", select=["LogicalName"])]
        await client.tables.delete("new_Async")
        facts = typed["new_count"]["MaxValue"], typed["new_code"]["MaxLength"], one["AttributeType"], "new_gone" in typed
        wanted = {"new_lead_async", "new_async_both", "account_new_async_new_AccountId"}
        return info["entity_set_name"], facts, wanted <= listed <= all_of_them, gone, tables, await client.tables.get("new_Async")

    assert run(work) == ("new_asyncs", (99, 7, "Integer", False), True, None, ["new_async"], None)


@pytest.mark.filterwarnings("ignore:Sending a large body directly")
def test_files_are_uploaded_whole_and_in_chunks(run, org, tmp_path):
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(5 * 1024 * 1024))

    async def work(client):
        account = await client.records.create("account", {"name": "Async file"})
        await client.files.upload("account", account, "new_AsyncFile", str(large))  # makes the column first
        await client.files.upload("account", account, "new_AsyncFile", str(large), mode="chunk", if_none_match=False)
        return account

    account = run(work)
    assert org.call("GET", f"accounts({account})/new_asyncfile/$value").content == large.read_bytes()


def test_data_frames_go_in_and_come_out(run):
    async def work(client):
        frame = pandas.DataFrame([{"lastname": "Async frame 1"}, {"lastname": "Async frame 2"}])
        frame["contactid"] = await client.dataframe.create("contact", frame)
        await client.dataframe.update("contact", frame.assign(jobtitle="x"), id_column="contactid")
        got = await client.dataframe.sql("SELECT lastname FROM contact WHERE jobtitle = 'x' ORDER BY lastname")
        await client.dataframe.delete("contact", frame["contactid"])
        return list(got["lastname"]), len(await client.records.list("contact", filter="jobtitle eq 'x'"))

    assert run(work) == (["Async frame 1", "Async frame 2"], 0)


def test_batches_run_with_change_sets_and_go_on_after_errors(run):
    async def work(client):
        batch = client.batch.new()
        async with batch.changeset() as changes:
            account = changes.records.create("account", {"name": "Async set"})
            changes.records.create("contact", {"lastname": "Async set", "parentcustomerid_account@odata.bind": account})
        batch.records.create("contact", {"lastname": "x" * 51})
        batch.tables.get("account")
        batch.query.sql("SELECT parentcustomerid FROM contact WHERE lastname = 'Async set'")
        result = await batch.execute(continue_on_error=True)
        parent = result.responses[4].data["value"][0]["parentcustomerid"]
        return [r.status_code for r in result.responses], parent == result.responses[0].entity_id

    assert run(work) == ([204, 204, 400, 200, 200], True)


def test_a_refusal_reaches_the_caller_with_the_services_code_and_many_calls_run_at_once(run, org):
    async def work(client):
        ids = await asyncio.gather(*(client.records.create("lead", [{"subject": f"{n}"} for _ in range(10)]) for n in range(8)))
        with pytest.raises(HttpError) as caught:
            await client.records.create("account", {"nosuchcolumn": 1})
        await client.flush_cache("picklist")
        return len({i for some in ids for i in some}), caught.value.details["service_error_code"]

    assert run(work) == (80, "0x80048d19")


def test_a_client_without_a_context_manager_is_closed_by_hand(org):
    async def work():
        client = AsyncDataverseClient(org.address, AsyncCredential())
        made = await client.records.create("account", {"name": "By hand"})
        await client.aclose()
        return made

    assert len(asyncio.run(work())) == 36
