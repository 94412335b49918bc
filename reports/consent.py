"""The consent list: what each address agreed to, by purpose and topic, for a system that keeps consent by address.

Customer Insights - Journeys is one: it keeps consent in rows of its own and makes none for rows that come through the API, so the list is
imported there, or handed to whoever sends. Purposes are the source's Marketing channels, topics their message types. It tells what the
source says: what was refused at the destination since stands in the rows.
Source: MicrosoftDocs/customer-insights, ci-docs/journeys/real-time-marketing-migrate-consent.md; the status codes are those of
msdynmkt_contactpointconsent4.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from connectors import landing, store
from connectors.models import Dataset
from connectors.storable import storable
from loads import staged
from loads.models import Run
from loads.staging.context import consent_rules
from mapping import plan
from mapping.consent import STRICTNESS, ConsentRules, Topic, topic_answers, topics_of
from mapping.identity import normalise_email
from mapping.playbooks import load_playbook
from reports import delimited
from reports.documents import keep, write_lines
from reports.models import Document
from reports.xlsx import Cell
from workbench.engagements.models import Engagement

KIND = "consent"
PERSON, TABLES = "user", ("contact", "lead")
IN, OUT, AS_THERE = "opted in", "opted out", "as the row says"
STATUS = {IN: 534120001, OUT: 534120002, AS_THERE: None}
FIELDS = ("medium", "address", "purpose", "topic", "consent", "status", "said", "table", "row_id", "source_id")
TITLES = ("Medium", "Address", "Purpose", "Topic", "Consent", "Status code", "What the profile says", "Table", "Row id", "Source id")
# place: of the answer in STRICTNESS; topic: the place in the list of topics.
SAID = pa.schema([("position", pa.int64()), ("email", pa.string()), ("topic", pa.int32()), ("place", pa.int8())])
_PERSONS = """
    CREATE TABLE persons AS
    SELECT position, source_id, "table", row_id, origin, json_extract_string(decode("values"), '$.mobilephone') AS phone
    FROM ({rows}) WHERE main_table = "table"
"""
# The records of a person are the row's own and those that were merged into it; of their answers the strictest counts.
_STRICTEST = """
    WITH records AS (
        SELECT position, position AS person FROM persons
        UNION ALL
        SELECT d.position, p.position FROM read_parquet(?) d JOIN persons p ON p.source_id = d."into" WHERE d.disposition = 'merged')
    SELECT p.source_id, p."table", p.row_id, p.origin, p.phone,
           any_value(said.email) FILTER (said.position = p.position) AS email, topic, max(place) AS place
    FROM records r JOIN said USING (position) JOIN persons p ON p.position = r.person
    GROUP BY ALL ORDER BY p.row_id, topic
"""


def run_of(engagement: Engagement) -> Run | None:
    """The newest run that staged people, production's before the sandbox's; None before any."""
    runs = (
        Run.objects.loads().filter(engagement=engagement).select_related("engagement", "environment").order_by("environment__kind", "-pk")
    )
    return next((run for run in runs if PERSON in run.staged), None)  # production stands before sandbox


def lines(engagement: Engagement) -> Iterator[dict[str, Any]]:
    """A line per address of a person whose row the run plans, and topic that is sent to such an address; see FIELDS.

    consent: of a row that was there before the migration only a refusal is told, since its own refusals stand. said: in, out or unknown.
    """
    run = run_of(engagement)
    if run is None:
        return
    content = plan.content_of(engagement, {"consent": run.parts["consent"]})["consent"]
    topics, rules = topics_of(content), consent_rules(run, content)
    with store.database() as con:
        if _persons(con, run):
            store.fill(con, "said", SAID, _said(Dataset.objects.get(pk=run.datasets[PERSON]), rules, topics))
            found = con.execute(_STRICTEST, [[str(path) for path in staged.parts(run, PERSON, staged.DISPOSITIONS_KIND)]])
            while batch := found.fetchmany(store.ROWS_PER_GROUP):
                for row in batch:
                    yield from _lines(row, topics, rules)


def _persons(con: duckdb.DuckDBPyConnection, run: Run) -> bool:
    """Table `persons`; False where the run plans nobody."""
    paths = {table: [str(path) for path in staged.parts(run, PERSON, table)] for table in TABLES}
    rows = [f"SELECT *, '{table}' AS \"table\" FROM read_parquet(${table})" for table, known in paths.items() if known]  # noqa: S608 - our own names
    if rows:
        con.execute(_PERSONS.format(rows=" UNION ALL ".join(rows)), {table: known for table, known in paths.items() if known})
    return bool(rows)


def _said(dataset: Dataset, rules: ConsentRules, topics: Sequence[Topic]) -> Iterator[tuple]:
    """The rows of SAID: what each record says of each topic."""
    email = load_playbook(dataset.engagement.platform).identity.email
    for landed in landing.scan(dataset):
        record = landing.parse(landed.raw)[0] if landed.problem is None else None
        if record is not None:
            address = normalise_email(record.get(email))[0]
            for place, answer in enumerate(topic_answers(record, rules, topics)):
                yield landed.position, address, place, STRICTNESS[answer]


def _lines(row: tuple, topics: Sequence[Topic], rules: ConsentRules) -> Iterator[dict[str, Any]]:
    source_id, table, row_id, origin, phone, email, number, place = row
    topic, said = topics[number], next(answer for answer, known in STRICTNESS.items() if known == place)
    address = {"email": email, "sms": phone}.get(topic.medium)  # others have no address: the app itself is where they arrive
    if address:
        refused = said == "out" or (said == "unknown" and rules.unknown_is_out)
        consent = OUT if refused else IN if origin == "created" else AS_THERE
        told = (
            topic.medium,
            address,
            storable(topic.purpose),
            storable(topic.name),
            consent,
            STATUS[consent],
            said,
            table,
            row_id,
            source_id,
        )
        yield dict(zip(FIELDS, told, strict=True))


def write(engagement: Engagement) -> Document:
    """The list as JSON, an address and topic a line."""
    return write_lines(engagement, KIND, lines(engagement))


def write_csv(engagement: Engagement) -> Document:
    """The same as CSV."""
    return keep(engagement, KIND, "csv", lambda path: delimited.write(path, TITLES, map(_row, lines(engagement))))


def _row(line: Mapping[str, Any]) -> list[Cell]:
    return [line[name] for name in FIELDS]
