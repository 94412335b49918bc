"""Files of notes and attachments sent by blocks, as rows that are too large for one request (facts, section 9).

Source: learn.microsoft.com/power-apps/developer/data-platform/attachment-annotation-files
*assumed*: that names and types are looked at when an upload begins already; that a block sent again takes the place of the first, as in
the storage behind it; that an attachment may have an id of the client's; and the words for a token or a block that isn't known.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from . import errors, writing
from .attached import CONTENT, check_name, decoded
from .calls import JSON, Answer, Call
from .identifiers import new_id
from .organisation import Organisation
from .paths import NAMESPACE, Segment
from .references import parameter
from .tables import Table

Message = Callable[[Organisation, Call, Segment], Answer]
UPLOADS, BLOCKS = "#block uploads", "#blocks"  # of the store; no table has such a name
LARGEST_BLOCK, LONGEST_ID = 4 * 1024 * 1024, 64


class Kind(NamedTuple):
    """A table whose rows hold files. answers: what the commit's answer calls the row's id."""

    table: str
    content: str
    answers: str


NOTE = Kind("annotation", CONTENT["annotation"], "AnnotationId")
ATTACHMENT = Kind("activitymimeattachment", CONTENT["activitymimeattachment"], "ActivityMimeAttachmentId")


def begin(kind: Kind) -> Message:
    """POST /Initialize…BlocksUpload {"Target": the row without its content}: the token that the blocks go by."""

    def answer(org: Organisation, call: Call, segment: Segment) -> Answer:
        table, target = _target(org, call, kind)
        writing.demand(call, table, "Create")
        check_name(org, str(target.get("filename") or ""), str(target.get("mimetype") or ""))
        token = new_id()
        org.store.put(UPLOADS, token, {"table": kind.table, "id": writing.body_id(table, target), "length": 0})
        return _ok(call, segment, {"FileContinuationToken": token})

    return answer


def upload(org: Organisation, call: Call, segment: Segment) -> Answer:
    """POST /UploadBlock {"BlockId", "BlockData", "FileContinuationToken"}: 204."""
    token, going = _going(org, call)
    block_id = str(parameter(call, "BlockId"))
    plain = decoded(block_id)
    if not plain or len(plain) > LONGEST_ID:
        raise errors.invalid_argument(f"A BlockId is Base64 of 1 to {LONGEST_ID} bytes.")
    if going["length"] not in (0, len(plain)):
        raise errors.invalid_argument("The ids of all blocks of a file have the same length.")
    if len(data := decoded(str(parameter(call, "BlockData")))) > LARGEST_BLOCK:
        raise errors.invalid_argument("A block holds 4 MB at most.")
    org.store.put(BLOCKS, f"{token}:{block_id}", {"data": b64encode(data).decode()})
    org.store.put(UPLOADS, token, {**going, "length": len(plain)})
    return Answer(204)


def commit(kind: Kind) -> Message:
    """POST /Commit…BlocksUpload {"Target", "BlockList", "FileContinuationToken"}: the row with its file. A note may be there already."""

    def answer(org: Organisation, call: Call, segment: Segment) -> Answer:
        table, target = _target(org, call, kind)
        token, going = _going(org, call)
        row_id = writing.body_id(table, target)
        if (going["table"], going["id"]) != (kind.table, row_id):
            raise errors.invalid_argument("The Target isn't the one that the upload was begun with.")
        body = {**target, kind.content: b64encode(_joined(org, token, parameter(call, "BlockList"))).decode()}
        if kind is NOTE and row_id in org.rows(kind.table):
            writing.update(org, call, table, str(row_id), body)
        else:
            row_id = writing.create(org, call, table, body)
        _forget(org, token)
        size = org.rows(kind.table)[str(row_id)]["filesize"]
        return _ok(call, segment, {kind.answers: row_id, "FileSizeInBytes": size})

    return answer


def _target(org: Organisation, call: Call, kind: Kind) -> tuple[Table, Mapping[str, Any]]:
    target = parameter(call, "Target")
    if not isinstance(target, dict) or str(target.get("@odata.type", "")).lstrip("#") != f"{NAMESPACE}{kind.table}":
        raise errors.bad_payload(f"Target needs '@odata.type': '{NAMESPACE}{kind.table}'.")
    table = org.table(kind.table)
    if kind is NOTE and writing.body_id(table, target) is None:
        raise errors.invalid_argument("The required field 'annotationid' of 'Target' is missing.")
    if kind.content in target:
        raise errors.invalid_argument(f"'{kind.content}' doesn't go with the Target: it is sent by blocks.")
    return table, target


def _going(org: Organisation, call: Call) -> tuple[str, dict[str, Any]]:
    token = str(parameter(call, "FileContinuationToken"))
    going = org.rows(UPLOADS).get(token)
    if going is None:
        raise errors.invalid_argument("The FileContinuationToken isn't valid.")
    return token, going


def _joined(org: Organisation, token: str, listed: Any) -> bytes:
    """The blocks in the order of the list; those that it leaves out are dropped."""
    if not isinstance(listed, list) or not listed:
        raise errors.invalid_argument("Required parameter 'BlockList' is missing or empty.")
    blocks = org.rows(BLOCKS)
    if any(f"{token}:{block_id}" not in blocks for block_id in listed):
        raise errors.invalid_argument("The BlockList names a block that wasn't uploaded.")
    return b"".join(b64decode(blocks[f"{token}:{block_id}"]["data"]) for block_id in listed)


def _forget(org: Organisation, token: str) -> None:
    org.store.remove(UPLOADS, token)
    for name in [name for name in org.rows(BLOCKS) if name.startswith(f"{token}:")]:
        org.store.remove(BLOCKS, name)


def _ok(call: Call, segment: Segment, values: Mapping[str, Any]) -> Answer:
    return Answer(200, {"@odata.context": f"{call.root}$metadata#{NAMESPACE}{segment.name}Response", **values}, {"Content-Type": JSON})
