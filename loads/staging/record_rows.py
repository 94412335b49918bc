"""One record's row: mapped values, primary name, own moment, lookups, owner and payload, as the Web API takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from connectors import landing
from connectors.dataverse.columns import in_currency
from connectors.dataverse.metadata import Table
from loads.destination import SOURCE_ID
from loads.staging.context import StagingContext
from loads.staging.decisions import Built, Decision, Parent, Row
from loads.staging.rows import Draft, lossy_columns
from loads.verification import BIND
from mapping.computed import compile_computed, is_filled
from mapping.fieldmaps import RowMap, compile_fieldmaps, reader, rules_of
from mapping.flattening import unflattenable
from mapping.issues import Issue
from mapping.jsontext import json_text, plain_text
from mapping.names import shorten
from mapping.objects import ACTIVITIES, PARENT
from mapping.transforms import MEMO_LIMIT, Transform, clean, compile_transform, cut, rounded, utf16_length

Values = dict[str, Any]


class TableRows:
    """What is the same for every row of one object in one table, and in currencies with as many decimals: maps, columns, where the primary
    name and the moment go."""  # fmt: skip

    def __init__(self, context: StagingContext, object_name: str, table: str, decimals: int | None = None) -> None:
        """Compile the maps once. decimals: of the rows' currency, else of the base currency."""
        maps, record = context.contents["maps"], context.objects[object_name]["record"]
        found = context.destination.table(table)
        columns = in_currency(found.columns, context.decimals() if decimals is None else decimals)
        self.table: Table = replace(found, columns=columns)
        self.rules = rules_of(maps, object_name, table)
        self.map: RowMap = compile_fieldmaps(self.rules, self.table.columns, context.time)
        self.sources = {rule.column: rule.source for rule in self.rules if rule.state == "confirmed"}
        self.readers = {source: reader(source) for source in self.sources.values()}
        self.moments = [
            (name, _moment(self.table, name, record["created"][0], context))
            for name in record["moments"]
            if self.has(name) and name not in self.sources
        ]
        self.constants = {name: value for name, value in record["constants"].items() if self.has(name)}
        self.name, self.name_limit = self.table.primary_name, 100
        if self.name in self.table.columns:
            self.name_limit = self.table.columns[self.name].max_length or 100
        self.fallback = f"{context.prefix}_original_values"
        self.lookups = {parent["column"]: parent["columns"] for parent in context.objects[object_name]["parents"]}

    def has(self, column: str) -> bool:
        """Whether a create may fill the column."""
        return column in self.table.columns and self.table.columns[column].valid_for_create

    def amount(self, column: str, number: Decimal, issues: list[Issue]) -> float:
        """A number as the column keeps it; what rounding loses is told."""
        kept, issue = rounded(number, self.table.columns[column])
        if issue:
            issues.append(issue)
        return kept

    def navigation(self, column: str, target: str) -> str | None:
        """The property by which a lookup to a table is bound, see `navigation_of`."""
        return navigation_of(self.table, column, self.lookups.get(column, {}), target)


def navigation_of(table: Table, column: str, instead: Mapping[str, str], target: str) -> str | None:
    """The property by which a lookup to a table is bound; None where neither the column nor the one in its place leads there.

    instead: target -> the column that leads there where the table doesn't have `column`.
    """
    found = table.columns.get(column) or table.columns.get(instead.get(target, ""))
    return found.navigation.get(target) if found else None


def _moment(table: Table, name: str, field: str, context: StagingContext) -> Transform:
    return compile_transform("datetime", field=field, column=table.columns[name], time=context.time)


class RecordRows:
    """Builds the rows of one object's records by the maps and rules as the run's plan has them; kinds of objects extend it.

    filled: columns that a kind fills itself, with the field that it reads.
    """

    filled: Mapping[str, str] = {}

    def __init__(self, context: StagingContext, object_name: str) -> None:
        """Compile the maps of every table that takes mapped columns."""
        self.context, self.object_name, self.prefix = context, object_name, context.prefix
        content = context.objects[object_name]
        self.tables, self.rule = content["tables"], content["record"]
        self.rows = {table: TableRows(context, object_name, table) for table in self.tables}
        self.compute = compile_computed(content["computed"])
        self.beside = {name: _by_id(context, name) for name in self.rule["beside"]}
        self.names = [reader(name) for name in self.rule["name"]]
        self.created = [reader(name) for name in self.rule["created"]]
        self.hold_payloads = context.contents["events"]["unflattenable"] == "hold"

    def build(self, record: dict[str, Any], decision: Decision) -> Built:
        """The main row with its late state."""
        record = self.whole(record)
        built = Built([], [], [])
        row = next((row for row in decision.rows if row.role == ""), None)
        draft = self.draft(record, decision, row, self.tables[0], built.issues)
        built.drafts.append((self.tables[0], draft))
        draft.state = self.state(record)
        return built

    def whole(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record with what other datasets say of it and with its computed fields."""
        for name, rows in self.beside.items():
            if found := rows.get(str(record.get("id"))):
                record = {**record, name: found}
        return self.compute(record)

    def draft(self, record: dict[str, Any], decision: Decision, row: Row | None, table: str, issues: list[Issue]) -> Draft:
        """A row of one table; issues are added. Without a row it is built for its issues alone."""
        of = self.table_rows(record, table)
        mapped = of.map(record)
        values: Values = {**mapped.values, **of.constants}
        found = list(mapped.issues)
        self.set_name(record, of, values, found)
        self.set_moments(record, of, values, found)
        if self.rule["payload"] and of.has(self.rule["payload"]):
            found = self.set_payload(record, of, values, found)
        if of.has(f"{self.prefix}_{SOURCE_ID}"):
            values[f"{self.prefix}_{SOURCE_ID}"] = f"{self.object_name}:{decision.source_id}"
        parents = self.set_parents(decision, of, values)
        self.set_owner(decision, of, values)
        self.finish(record, decision, of, values, found)
        issues += [issue for issue in found if issue not in issues]
        former = self._formerly(decision) if row and row.present else None
        return Draft(
            row_id=row.row_id if row else "",
            source_id=decision.source_id,
            position=decision.position,
            main_table=self.tables[0],
            origin=row.origin if row else "created",
            present=bool(row and row.present),
            applied_hash=row.applied_hash if row else "",
            values=values,
            parents=parents,
            lossy=lossy_columns(found, {**of.sources, **self.filled}, values),
            source=lambda: {column: of.readers[source](record) for column, source in of.sources.items() if column in values},
            role=row.role if row else "",
            former=self.draft(record, former, row, table, []) if former else None,
            fills=of.map.columns,
        )

    def table_rows(self, record: Mapping[str, Any], table: str) -> TableRows:
        """What a record's row of a table is built with."""
        return self.rows[table]

    def _formerly(self, decision: Decision) -> Decision | None:
        """The decision with the leads that its people were before they became contacts; None where none was."""
        leads = self.context.former_leads
        parents = [
            parent._replace(table="lead", row_id=leads[parent.source_id])
            if parent.table == "contact" and parent.source_id in leads
            else parent
            for parent in decision.parents
        ]
        return decision._replace(parents=parents) if parents != decision.parents else None

    def set_name(self, record: Mapping[str, Any], of: TableRows, values: Values, issues: list[Issue]) -> None:
        """The primary name: by the rule's fields, else what the map gave, else the default; never empty, never too long."""
        if not of.name or not of.has(of.name):
            return
        if self.names or not is_filled(values.get(of.name)):
            found = next((value for read in self.names if is_filled(value := read(record))), None)
            text = self.rule["name_default"] if found is None else plain_text(found)
            text = self.rule["name_template"].replace("{name}", " ".join(clean(text, "")[0].split()) or self.rule["name_default"])
            short, whole = shorten(text, of.name_limit)
            values[of.name] = short
            if whole is not None:
                issues.append(Issue("text.shortened", of.name, f"{utf16_length(whole)} of {of.name_limit}", "loss"))
                of.map.keep_whole(values, issues, of.fallback, {of.name: whole})

    def set_moments(self, record: Mapping[str, Any], of: TableRows, values: Values, issues: list[Issue]) -> None:
        """The record's own moment into every column of the rule; a note where there is none or it can't be meant."""
        if not self.created or not of.moments:
            return
        raw = next((value for read in self.created if is_filled(value := read(record))), None)
        if raw is None:
            issues.append(Issue("moment.missing", self.rule["created"][0], "", "note"))
            return
        for name, transform in of.moments:
            value, found, _ = transform(raw if not isinstance(raw, (int, float)) else self._from_number(raw))
            if value is not None:
                values[name] = value
            issues += [issue for issue in found if issue not in issues]

    def _from_number(self, raw: float) -> Any:
        """Iterable's own moments are milliseconds since 1970, as numbers."""
        return self.context.moment(raw) or plain_text(raw)

    def set_payload(self, record: Mapping[str, Any], of: TableRows, values: Values, issues: list[Issue]) -> list[Issue]:
        """The record but for its envelope as JSON; keys that are of no use as columns are flagged, the payload has them whole."""
        payload = {key: value for key, value in record.items() if key not in self.rule["envelope"]}
        text, _ = clean(json_text(payload), "")
        limit = of.table.columns[self.rule["payload"]].max_length or MEMO_LIMIT
        values[self.rule["payload"]] = cut(text, limit)
        values.pop(of.fallback, None)  # the payload is whole already
        if utf16_length(text) > limit:
            issues.append(Issue("text.shortened", self.rule["payload"], f"{utf16_length(text)} of {limit}", "loss"))
        told = [self._of_payload(issue, payload) for issue in issues]
        return told + [self._judged(issue) for issue in unflattenable(payload)]

    def _of_payload(self, issue: Issue, payload: Mapping[str, Any]) -> Issue:
        """A payload's value that isn't of its column's type is no loss: the column is empty and the payload has it."""
        if issue.severity != "loss" or issue.field.partition(".")[0] not in payload or issue.code.startswith("text."):
            return issue
        return self._judged(Issue("payload.not_of_type", issue.field, issue.detail, "note"))

    def _judged(self, issue: Issue) -> Issue:
        return Issue(issue.code, issue.field, issue.detail, "hold") if self.hold_payloads else issue

    def set_parents(self, decision: Decision, of: TableRows, values: Values) -> list[str]:
        """Bind every lookup that has a row; "table:row id" of each."""
        bound = []
        for parent in decision.parents:
            navigation = of.navigation(parent.column, parent.table) if parent.table else None
            if navigation and parent.row_id:
                values[navigation + BIND] = self.address(parent)
                bound.append(f"{parent.table}:{parent.row_id}")
        return bound

    def address(self, parent: Parent) -> str:
        """The bind value of a parent's row."""
        return self.context.destination.address(str(parent.table), str(parent.row_id))

    def set_owner(self, decision: Decision, of: TableRows, values: Values) -> None:
        """The owner that the rule names, where the table has owners."""
        if not of.has("ownerid"):
            return
        owners, rule = self.context.owners, self.rule["owner"]
        key = decision.owner if rule == PARENT else rule
        owner = owners.get(key) or (owners.get("") if rule in (PARENT, ACTIVITIES) else None)
        if owner:
            values[f"ownerid{BIND}"] = owner

    def finish(self, record: dict[str, Any], decision: Decision, of: TableRows, values: Values, issues: list[Issue]) -> None:
        """What a kind adds to the values or says of them."""

    def state(self, record: Mapping[str, Any]) -> tuple[int, int] | None:
        """The state that the row gets in the late pass, by the rule's field."""
        states = self.rule["states"].get(self.tables[0])
        if not states:
            return None
        word = plain_text(record.get(self.rule["state_field"]) or "").strip().casefold() if self.rule["state_field"] else ""
        pair = states.get(word) or states.get("*")
        return (pair[0], pair[1]) if pair else None


def _by_id(context: StagingContext, name: str) -> dict[str, dict[str, Any]]:
    """A dataset of what belongs to another object's records, by their id; as many as there are such records, which are few."""
    dataset = context.dataset(name)
    measured = f"{dataset.started_at:%Y-%m-%d %H:%M:%S} +00:00"
    return {str(record.get("id")): {**record, "measuredAt": measured} for record in landing.records(dataset)}


def first_text(record: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The first filled of some fields as text; '' where none is."""
    return next((plain_text(value).strip() for key in keys if is_filled(value := record.get(key))), "")
