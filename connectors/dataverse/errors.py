"""What Dataverse's refusals mean: one class where code acts on it, and words for a person for every code we know.

Source: learn.microsoft.com/power-apps/developer/data-platform/reference/web-service-error-codes
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from connectors.http_errors import HttpRefused, OutcomeUnknown
from workbench.engagements.errors import Retryable


class DataverseRefused(HttpRefused):
    """Dataverse said no. `code` is "0x…" in lower case, or empty; `row_message` its own words.

    The words may quote a person's data: they stand in `row_message` and in the remedy, which pages show, never in str().
    """

    def __init__(self, message: str, *, status: int, code: str = "", row_message: str = "", payload: Any = None, remedy: str = "") -> None:
        """Keep the code and the service's words beside the message."""
        super().__init__(message, status=status, body=row_message, payload=payload, remedy=remedy)
        self.code, self.row_message = code, row_message


class RowExists(DataverseRefused):
    """A row with this primary key is there already."""


class KeyTaken(DataverseRefused):
    """Another row has the same values in an alternate key."""


class DuplicateFound(DataverseRefused):
    """A duplicate detection rule found a row like it."""


class VersionChanged(DataverseRefused):
    """Somebody changed the row since it was read."""


class RowMissing(DataverseRefused):
    """The row, or one that it points to, isn't there."""


class PrivilegeMissing(DataverseRefused):
    """The application user may not do this."""


class OwnerUnusable(DataverseRefused):
    """The user or owner is disabled or in no business unit."""


class ValueRefused(DataverseRefused):
    """A value doesn't fit its column, or a column doesn't exist: the record or its map must be mended."""


class LogicFailed(DataverseRefused):
    """A plug-in or the platform failed on this row; once more may help."""


class TooMuchAtOnce(DataverseRefused, Retryable):
    """The database gave up, nothing was kept: send fewer rows at once."""

    retry_after_s = None


class ShortAnswer(OutcomeUnknown):
    """The answer speaks of fewer rows than were sent."""


class Meaning(NamedTuple):
    """What a code stands for, what to do, and the class to raise."""

    meaning: str
    remedy: str
    kind: type[DataverseRefused]


_DECIDE = "Decide on the duplicate, or switch the rule off for the load."
_READ_AGAIN = "Read the destination's columns again and check the map."
_TELL = "Send the code and the run number to the engineer of the engagement."
_RESUME = "Resume once; if it stays, send it to the engineer of the engagement."
_GRANT = "Give the application user's role the privilege, then resume."
_PARENT = "Load the parent first, or decide what to do without it."
_FEWER = "Wait as asked, then go on with fewer requests at once."
_MEND = "Mend the value at the source or in the field map, then load the record again."
_LARGER = "Raise the maximum file size in the environment's e-mail settings (128 MB at most), or leave the file out."
_UNBLOCK = "Allow such files in the environment's settings, or leave the file out."
_CODES: Mapping[str, Meaning] = {
    "0x80040237": Meaning("a row with this id exists", "Nothing to do: the row is updated instead.", RowExists),
    "0x80060892": Meaning("another row has the same alternate key", "Find out which of the two rows is right.", KeyTaken),
    "0x80040333": Meaning("a duplicate detection rule struck", _DECIDE, DuplicateFound),
    "0x80060882": Meaning("the row was changed meanwhile", "The row is read again and kept for a person to decide.", VersionChanged),
    "0x80040217": Meaning("the row or its parent doesn't exist", _PARENT, RowMissing),
    "0x80060891": Meaning("no row has this key", _PARENT, RowMissing),
    "0x80060890": Meaning("the table has no such key", "Provision the alternate key and wait until it is active.", ValueRefused),
    "0x80044331": Meaning("a text is longer than its column", "Shorten the text by the field map, or widen the column.", ValueRefused),
    "0x8004431a": Meaning("a choice has no such value", "Add the option, or map the value to one that exists.", ValueRefused),
    "0x8004432f": Meaning("a whole number is out of range", _MEND, ValueRefused),
    "0x80044330": Meaning("an amount is out of range", _MEND, ValueRefused),
    "0x80048d19": Meaning("a value has the wrong type, or there is no such column or lookup", _READ_AGAIN, ValueRefused),
    "0x80040203": Meaning("an argument is invalid", _MEND, ValueRefused),
    "0x80040200": Meaning("a required value is missing", _MEND, ValueRefused),
    "0x80048408": Meaning("the status reason doesn't belong to the state", "Correct the status map.", ValueRefused),
    "0x80044a02": Meaning("a file is larger than the organisation takes", _LARGER, ValueRefused),
    "0x80043e09": Meaning("a file's extension is blocked, or it is too large", _UNBLOCK, ValueRefused),
    "0x80044a08": Meaning("a file's name has characters that none may have", _TELL, ValueRefused),
    "0x80072521": Meaning("a file's MIME type isn't among those that are allowed", _UNBLOCK, ValueRefused),
    "0x80072522": Meaning("a file's MIME type is blocked", _UNBLOCK, ValueRefused),
    "0x80060888": Meaning("the request is malformed", _TELL, DataverseRefused),
    "0x80040220": Meaning("the application user lacks a privilege", _GRANT, PrivilegeMissing),
    "0x80040225": Meaning("a user is disabled or in no business unit", "Choose another owner, or enable the user.", OwnerUnusable),
    "0x8004022b": Meaning("the owner is disabled", "Choose another owner, or enable the user.", OwnerUnusable),
    "0x80040265": Meaning("a custom plug-in refused the row", "Ask who owns the plug-in, or bypass it for the load.", DataverseRefused),
    "0x80040224": Meaning("an unexpected error", _RESUME, LogicFailed),
    "0x80040216": Meaning("an unexpected error", _RESUME, LogicFailed),
    "0x80044151": Meaning("the database timed out", "Resume: fewer rows are sent at once.", TooMuchAtOnce),
    "0x80044150": Meaning("the database failed", "Resume: fewer rows are sent at once.", TooMuchAtOnce),
    "0x8004e023": Meaning("more than 50,000 rows in one aggregate", "Split the range.", DataverseRefused),
    "0x80100005": Meaning("an opportunity is closed by the win and lose messages only", "Close it by its message.", DataverseRefused),
    "0x80072321": Meaning("too much execution time in five minutes", _FEWER, DataverseRefused),
    "0x80072322": Meaning("too many requests in five minutes", "Wait as asked, then go on.", DataverseRefused),
    "0x80072326": Meaning("too many requests at once", "Go on with fewer requests at once.", DataverseRefused),
}  # fmt: skip
# Where the code alone says little.
_BY_STATUS: Mapping[int, Meaning] = {
    403: Meaning("the application user may not do this", _GRANT, PrivilegeMissing),
    404: Meaning("there is no such thing", _PARENT, RowMissing),
}
_UNKNOWN = Meaning("a refusal", "Look the code up in Microsoft's list of Web API errors.", DataverseRefused)


def meaning_of(code: str) -> Meaning:
    """What a code stands for; codes that we don't know get a general answer."""
    return _CODES.get(code.lower(), _UNKNOWN)


def read_error(payload: Any) -> tuple[str, str]:
    """Code (lower case) and message of an error body; empty where it isn't Dataverse's."""
    error = payload.get("error") if isinstance(payload, dict) else None
    if not isinstance(error, dict):
        return "", ""
    return str(error.get("code") or "").lower(), str(error.get("message") or "")


def from_refusal(refused: HttpRefused) -> DataverseRefused:
    """The typed error of a refusal."""
    code, words = read_error(refused.payload)
    known = meaning_of(code)
    if known.kind is DataverseRefused:
        known = _BY_STATUS.get(refused.status, known)
    text = f"{str(refused).rstrip('.')}: {known.meaning}{f' ({code})' if code else ''}."
    remedy = f"{known.remedy} The service said: {words}" if words else known.remedy
    return known.kind(text, status=refused.status, code=code, row_message=words or refused.body, payload=refused.payload, remedy=remedy)
