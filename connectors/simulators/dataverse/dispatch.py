"""From a path to the function that answers it. Raises ServiceError for what no function answers."""

from . import (
    access,
    associations,
    batch,
    binding,
    bulk,
    components,
    errors,
    fetchxml,
    messages,
    metadata_keys,
    metadata_reading,
    metadata_removing,
    metadata_writing,
    queries,
    records,
    sql,
    writing,
)
from .calls import Answer, Call
from .organisation import Organisation
from .paths import Segment, key_of, split
from .tables import Table


def run(org: Organisation, call: Call) -> Answer:
    """Answer one request, alone or a part of a batch. Raises ServiceError."""
    access.check_bypass(call.caller, call.headers)
    call.caller = access.impersonated(org, call.caller, call.headers)
    if call.path.strip("/") == "$batch":
        if call.in_batch:
            raise errors.bad_request("A batch can't contain another batch.")
        return batch.run(org, call, lambda inner: run(org, inner))
    segments = split(call.path)
    if not segments:
        return Answer(200, {"@odata.context": f"{call.root}$metadata", "value": [
            {"name": t.entity_set, "kind": "EntitySet", "url": t.entity_set} for t in org.catalog.tables.values()
        ]})  # fmt: skip
    head = segments[0]
    if head.name in org.catalog.by_set:
        return _rows(org, call, org.catalog.by_set[head.name], segments)
    if head.name in _METADATA:
        return _metadata(org, call, segments)
    known = messages.FUNCTIONS if call.method == "GET" else messages.ACTIONS
    if head.name not in known:
        raise errors.missing_resource(head.name)
    if call.method != "GET":
        components.named_solution(org, call)
    answer = known[head.name](org, call, head)
    if head.name in metadata_writing.UNBOUND:
        org.metadata_changes.append(call)
    return answer


def _rows(org: Organisation, call: Call, table: Table, segments: list[Segment]) -> Answer:
    head, rest = segments[0], segments[1:]
    if head.inside is None:
        return _collection(org, call, table, rest)
    if not rest and call.method == "PATCH":
        return records.patch(org, call, table, head)
    row_id = binding.by_key(org, table, key_of(head))
    if not rest:
        return _one(org, call, table, row_id)
    if rest[0].bound is not None:
        known = messages.BOUND_FUNCTIONS if call.method == "GET" else messages.BOUND_ACTIONS
        if rest[0].bound not in known:
            raise errors.missing_resource(rest[0].name)
        return known[rest[0].bound](org, call, table, row_id)
    if relation := associations.find(table, rest[0].name):
        return associations.Collection(org, call, table, row_id, relation).answer(rest)
    return records.property_(org, call, table, row_id, rest)


def _collection(org: Organisation, call: Call, table: Table, rest: list[Segment]) -> Answer:
    if rest and rest[0].name == "$count" and call.method == "GET":
        count = min(len(queries.find_ids(org, call, table)), queries.PAGE)
        return Answer(200, str(count).encode(), {"Content-Type": "text/plain"})
    if rest and rest[0].bound is not None:
        name = rest[0].bound
        if name == "DeleteMultiple":
            raise errors.ServiceError(501, "0x80040224", "DeleteMultiple has not yet been implemented.")
        if name not in bulk.MESSAGES or call.method != "POST":
            raise errors.missing_resource(rest[0].name)
        return bulk.MESSAGES[name](org, call, table)
    if rest:
        raise errors.missing_resource(rest[0].name)
    if call.method == "GET":
        writing.demand(call, table, "Read")
        if "sql" in call.query:
            return sql.query(org, call, table)
        return fetchxml.run(org, call, table) if "fetchXml" in call.query else queries.query(org, call, table)
    if call.method == "POST":
        return records.create(org, call, table)
    raise _not_allowed()


def _one(org: Organisation, call: Call, table: Table, row_id: str) -> Answer:
    if call.method == "GET":
        return records.read(org, call, table, row_id)
    if call.method == "DELETE":
        return records.delete(org, call, table, row_id)
    raise _not_allowed()


def _metadata(org: Organisation, call: Call, segments: list[Segment]) -> Answer:
    """Answer a metadata request; a change is kept for the journal."""
    if call.method == "GET":
        return _METADATA[segments[0].name](org, call, segments)
    components.named_solution(org, call)
    answer = _METADATA[segments[0].name](org, call, segments)
    org.metadata_changes.append(call)
    return answer


def _choices(org: Organisation, call: Call, segments: list[Segment]) -> Answer:
    if call.method == "POST":
        return metadata_writing.create_choice(org, call, call.json())
    if call.method == "GET":
        return metadata_reading.choices(org, call, segments[0])
    if call.method == "DELETE":
        return metadata_removing.delete_choice(org, call, segments[0])
    raise _not_allowed()


def _tables(org: Organisation, call: Call, segments: list[Segment]) -> Answer:
    head, rest = segments[0], segments[1:]
    if head.inside is None:
        if call.method == "POST":
            return metadata_writing.create_table(org, call, call.json())
        return metadata_reading.definitions(org, call)
    table = metadata_reading.find_table(org, head)
    if rest:
        return _of_table(org, call, table, rest)
    if call.method == "DELETE":
        return metadata_removing.delete_table(org, call, table)
    if call.method != "GET":
        raise _not_allowed()
    return metadata_reading.definition(org, call, table)


def _of_table(org: Organisation, call: Call, table: Table, rest: list[Segment]) -> Answer:
    if rest[0].name == "Attributes":
        return _attributes(org, call, table, rest)
    if rest[0].name == "Keys":
        return _keys(org, call, table, rest[0])
    if rest[0].name in metadata_reading.RELATION_KINDS and call.method == "GET":
        return metadata_reading.relationships_of(org, call, table, rest[0].name)
    raise errors.missing_resource(rest[0].name)


def _attributes(org: Organisation, call: Call, table: Table, rest: list[Segment]) -> Answer:
    if call.method == "GET":
        return metadata_reading.attributes(org, call, table, rest)
    if call.method == "POST" and rest[0].inside is None:
        return metadata_writing.create_column(org, call, table, call.json())
    if call.method == "PUT":
        return metadata_writing.change_column(org, call, table, rest[0], call.json())
    if call.method == "DELETE":
        return metadata_removing.delete_column(org, call, table, rest[0])
    raise _not_allowed()


def _keys(org: Organisation, call: Call, table: Table, segment: Segment) -> Answer:
    if call.method == "GET":
        return metadata_reading.keys(org, call, table, segment)
    if call.method == "POST":
        return metadata_keys.create_key(org, call, table, call.json())
    if call.method == "DELETE":
        return metadata_keys.delete_key(org, call, table, segment)
    raise _not_allowed()


def _relationships(org: Organisation, call: Call, segments: list[Segment]) -> Answer:
    if call.method == "GET":
        return metadata_reading.relationships(org, call, segments)
    if call.method == "POST":
        return metadata_writing.create_relationship(org, call, call.json())
    if call.method == "DELETE":
        return metadata_removing.delete_relationship(org, call, segments[0])
    raise _not_allowed()


def _not_allowed() -> errors.ServiceError:
    return errors.ServiceError(405, "0x80060888", "The requested resource does not support this http method.")


_METADATA = {"EntityDefinitions": _tables, "RelationshipDefinitions": _relationships, "GlobalOptionSetDefinitions": _choices}
