"""Files of notes and attachments: what an organisation takes of them (facts, section 9).

Source: learn.microsoft.com/power-apps/developer/data-platform/attachment-annotation-files and …/files-images-overview
*assumed*: the statuses of refusals, and which characters no name may have.
"""

import binascii
import re
from base64 import b64decode

from . import errors
from .columns import LOGICAL_NAME_ANNOTATION
from .drafts import Draft
from .organisation import Organisation

CONTENT = {"annotation": "documentbody", "activitymimeattachment": "body"}
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f]')


def check_file(draft: Draft) -> None:
    """A row's file by the organisation's limits; its size is kept, which is that of the content and not of its Base64."""
    new, text = draft.new, draft.new.get(CONTENT[draft.table.name])
    if draft.given & {CONTENT[draft.table.name], "filename", "mimetype"} and (text or new.get("filename")):
        check_name(draft.org, str(new.get("filename") or ""), str(new.get("mimetype") or ""))
    if CONTENT[draft.table.name] not in draft.given:
        return
    if len(text or "") > int(draft.org.setting("maxuploadfilesize", 5242880)):
        raise errors.ServiceError(400, "0x80044a02", "Attachment file size is too big.")
    new["filesize"] = len(decoded(text)) if text else None


def check_note(draft: Draft) -> None:
    """What a note says of itself."""
    check_file(draft)
    draft.new["isdocument"] = bool(draft.new.get("documentbody"))
    draft.new["objecttypecode"] = draft.new.get(f"_objectid_value{LOGICAL_NAME_ANNOTATION}")


def check_name(org: Organisation, name: str, kind: str) -> None:
    """A file's name and MIME type by the organisation's lists."""
    if _NOT_IN_NAMES.search(name):
        raise errors.ServiceError(400, "0x80044a08", "Attachment file name contains invalid characters.")
    if "." in name and name.rpartition(".")[2].lower() in _listed(org, "blockedattachments"):
        words = "The attachment is either not a valid type or is too large. It cannot be uploaded or downloaded."
        raise errors.ServiceError(400, "0x80043e09", words)
    allowed = _listed(org, "allowedmimetypes")
    if allowed and kind.lower() not in allowed:
        raise errors.ServiceError(400, "0x80072521", f"Operation not allowed as mime type {kind} is not in the allow list.")
    if not allowed and kind.lower() in _listed(org, "blockedmimetypes"):
        raise errors.ServiceError(400, "0x80072522", f"Operation not allowed as mime type {kind} is blocked.")


def _listed(org: Organisation, setting: str) -> set[str]:
    return set(filter(None, str(org.setting(setting, "") or "").lower().split(";")))


def decoded(text: str) -> bytes:
    """The bytes of a Base64 text. Raises ServiceError."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.invalid_argument("The content isn't Base64.") from error
