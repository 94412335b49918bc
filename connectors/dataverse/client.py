"""One client for the Dataverse Web API: tokens, paging, bulk messages, batches, typed refusals. Used from several threads."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, urlsplit

import orjson
import requests

from connectors.dataverse import errors
from connectors.dataverse.auth import SignInRefused, credentials_of, tokens_for
from connectors.dataverse.batch import ChangeSet, Operation, Outcome, read_parts, write_batch
from connectors.dataverse.governor import Governor, governor_of
from connectors.http import HttpRefused, HttpSession, OutcomeUnknown, Unauthorized
from workbench.engagements.errors import BadInput

if TYPE_CHECKING:
    from workbench.engagements.models import Connection

NS = "Microsoft.Dynamics.CRM"
API = "api/data/v9.2/"
_LONGEST_URL = 30_000  # the service takes 32,768 characters
_HEADERS = {"Accept": "application/json", "OData-MaxVersion": "4.0", "OData-Version": "4.0"}
_NOT_ACCEPTED = (
    "Check in the environment that the application user exists, is enabled and has a security role, and the connection's address."
)
QUIET = {
    "MSCRM.BypassBusinessLogicExecution": "CustomSync,CustomAsync",
    "MSCRM.SuppressCallbackRegistrationExpanderJob": "true",
}
Target = dict[str, Any] | bytes  # a row of a bulk message; bytes: as a JSON object already
Quiet = Callable[[str], Mapping[str, str]]  # path of a write -> the headers that leave logic out of it


class Client:
    """One environment, seen as one application user."""

    def __init__(self, session: HttpSession, *, quiet: bool | Quiet = False) -> None:
        """session: to the environment's address.

        quiet: writes set off no custom logic and no flows (needs privileges); or what each leaves out, by its path.
        """
        self._session = session
        self._quiet: Quiet = quiet if callable(quiet) else lambda path: QUIET if quiet else {}
        self.base_url = session.base_url + API
        self.stats = session.stats
        self.governor = session.pace if isinstance(session.pace, Governor) else Governor()

    @classmethod
    def from_connection(cls, connection: "Connection", bypass: bool | Quiet = False, **patience: Any) -> "Client":
        """The client of a connection, which shares its application user's governor with the process's other clients.

        bypass: writes are quiet. patience: attempts, patience_s, backoff_s, timeout_s of its HttpSession.
        Raises BadInput where the connection isn't complete.
        """
        root = environment_url(connection.base_url)
        tokens = tokens_for(credentials_of(connection), f"{root}/.default")
        session = HttpSession(
            root, name=connection.name, headers=_HEADERS, authorise=tokens.header, reauthorise=tokens.forget,
            ca_file=connection.ca_file(), pace=governor_of(connection), **patience,
        )  # fmt: skip
        return cls(session, quiet=bypass)

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def who_am_i(self) -> dict[str, Any]:
        """UserId, BusinessUnitId and OrganizationId of the application user: the proof that the connection works."""
        return self.get("WhoAmI")

    def first_call(self) -> dict[str, Any]:
        """The same, where nothing yet says that the address is right. Raises BadInput where something else than Dataverse answers."""
        found: dict[str, Any] = {}
        try:
            found = self.who_am_i()
        except errors.ShortAnswer:
            pass  # a page of some kind
        except HttpRefused as refused:
            if refused.status >= HTTPStatus.BAD_REQUEST and refused.status != HTTPStatus.NOT_FOUND:
                raise
        if "UserId" in found:
            return found
        raise BadInput(
            f"{self.base_url} isn't the Web API of a Dataverse environment.",
            remedy="Enter the environment's address in the connection, such as https://contoso.crm4.dynamics.com.",
        )

    def get(self, path: str, *, params: Mapping[str, Any] | None = None, prefer: str | None = None) -> dict[str, Any]:
        """The parsed answer of a read. Raises DataverseRefused and the errors of the session."""
        headers = {"If-None-Match": "null", **({"Prefer": prefer} if prefer else {})}
        return _parsed(self._send("GET", path, params=params, headers=headers))

    def page(
        self,
        entity_set: str,
        *,
        select: Sequence[str],
        filter: str | None = None,
        orderby: str | None = None,
        page_size: int = 5000,
        annotations: str | None = None,
        following: str = "",
    ) -> tuple[list[dict[str, Any]], str]:
        """One page of a table's rows, and where the next one begins: '' after the last.

        following: where this one begins, as the page before said; it may be asked for by another process, and later (*assumed*).
        page_size: at most 5,000, the service's limit. annotations: names to include, such as "*". Raises ShortAnswer where the
        paging goes in a circle.
        """
        prefer = f"odata.maxpagesize={page_size}"
        if annotations:
            prefer += f',odata.include-annotations="{annotations}"'
        first = {"$select": ",".join(select) or None, "$filter": filter, "$orderby": orderby}
        answer = self.get(following or entity_set, params=None if following else first, prefer=prefer)
        if "value" not in answer:
            raise errors.ShortAnswer(f"A page of {entity_set} has no rows in it.")
        link = self._relative(answer.get("@odata.nextLink")) or ""
        if link and link == following:
            raise errors.ShortAnswer(f"The pages of {entity_set} go in a circle.")
        return answer["value"], link

    def pages(self, entity_set: str, **options: Any) -> Iterator[list[dict[str, Any]]]:
        """The rows of a table, a page at a time, all of them. options: of `page`. Raises what `page` raises."""
        following = ""
        while True:
            rows, following = self.page(entity_set, **options, following=following)
            yield rows
            if not following:
                return

    def rows(self, entity_set: str, **options: Any) -> Iterator[dict[str, Any]]:
        """The rows of `pages`, one by one."""
        for page in self.pages(entity_set, **options):
            yield from page

    def retrieve(
        self, entity_set: str, primary_key: str, ids: Sequence[str], select: Sequence[str], annotations: str | None = None,
    ) -> Iterator[dict[str, Any]]:  # fmt: skip
        """The rows with these ids that exist, in no certain order; as many requests as the length of an address demands."""
        room = _LONGEST_URL - len(self._session.url(f"{API}{entity_set}", {"$select": ",".join(select), "$filter": _in(primary_key, [])}))
        per_call = max(1, room // len(quote('"",' + "0" * 36)))
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), per_call):
            chosen = _in(primary_key, wanted[start : start + per_call])
            yield from self.rows(entity_set, select=select, filter=chosen, annotations=annotations)

    def present(self, entity_set: str, primary_key: str, ids: Sequence[str]) -> set[str]:
        """Of these ids, in lower case, those whose rows exist."""
        return {row[primary_key].lower() for row in self.retrieve(entity_set, primary_key, ids, [primary_key])}

    def count(self, entity_set: str, filter: str, primary_key: str) -> int:
        """Rows that match, exactly: their ids are paged, since the service's own counts end at 5,000 or are a day old."""
        return sum(len(page) for page in self.pages(entity_set, select=[primary_key], filter=filter or None))

    def create_multiple(self, table: str, entity_set: str, rows: Sequence[Target]) -> None:
        """Create rows of one table in one transaction: all or none. Raises OutcomeUnknown where the answer got lost."""
        answer = _parsed(self._multiple("Create", table, entity_set, rows))
        if rows and len(answer.get("Ids", ())) != len(rows):
            raise errors.ShortAnswer(f"{len(rows)} rows of {table} sent, {len(answer.get('Ids', ()))} ids came back.")

    def upsert_multiple(self, table: str, entity_set: str, rows: Sequence[Target]) -> None:
        """Create or update rows by primary key in one transaction; the answer doesn't say which were created.

        Raises DataverseRefused or ServerFailed, at the first 500: fewer rows may do.
        """
        self._multiple("Upsert", table, entity_set, rows)

    def update_multiple(self, table: str, entity_set: str, rows: Sequence[Target]) -> None:
        """Update rows by primary key in one transaction: all or none. Of a row that occurs twice the service applies the first only.

        The same values again do no harm, so a call whose answer got lost is sent again. Raises as `upsert_multiple`.
        """
        self._multiple("Update", table, entity_set, rows)

    def batch(self, operations: Sequence[Operation | ChangeSet], *, repeatable: bool = False, divisible: bool = False) -> list[Outcome]:
        """Send up to 1,000 operations in one request, going on after refusals; one outcome per operation or change set, in order.

        repeatable: carrying them out twice does no harm, so they are sent again where the answer got lost. divisible: where the service
        fails at the whole, the caller sends it in parts, so that it isn't sent again as it is.
        Raises ShortAnswer (an OutcomeUnknown) where fewer outcomes than operations come back.
        """
        if not operations:
            return []
        boundary = f"batch_{uuid.uuid4()}"
        # *assumed*: what optional headers do is asked of each operation, so they stand on each.
        quiet = [tuple(map(self._quieted, one)) if isinstance(one, tuple) else self._quieted(one) for one in operations]
        body = write_batch(quiet, root=f"/{API}", boundary=boundary, headers={})
        headers = {"Content-Type": f'multipart/mixed; boundary="{boundary}"', "Prefer": "odata.continue-on-error"}
        try:
            options = {"repeatable": repeatable, "divisible": divisible, "operations": sum(map(_counted, operations))}
            response = self._send("POST", "$batch", data=body, headers=headers, **options)
        except errors.DataverseRefused as refused:
            if refused.body.startswith("--"):  # outcomes up to the first failure: going on was not granted
                raise errors.ShortAnswer(f"A batch of {len(operations)} operations was stopped at a failure.") from None
            raise
        outcomes = [part[-1] for part in read_parts(response.content, response.headers.get("Content-Type", "")) if part]
        if len(outcomes) != len(operations):
            raise errors.ShortAnswer(f"{len(operations)} operations sent, {len(outcomes)} answers came back.")
        if put_off := [one for one in outcomes if one.status == HTTPStatus.TOO_MANY_REQUESTS]:
            self.governor.hold("", max(one.retry_after_s or 0.0 for one in put_off), code=put_off[0].code)
        elif wait_s := max(one.retry_after_s or 0.0 for one in outcomes):
            self.governor.obey(wait_s)
        return outcomes

    def _quieted(self, operation: Operation) -> Operation:
        return replace(operation, headers={**self._quiet(operation.path), **operation.headers})

    def post(
        self, path: str, json: Any, headers: Mapping[str, str] | None = None, *, repeatable: bool = False, operations: int = 1,
    ) -> requests.Response:  # fmt: skip
        """Create, or call an action. Raises OutcomeUnknown where the answer got lost and it isn't repeatable."""
        return self.send("POST", path, json=json, headers=headers, repeatable=repeatable, operations=operations)

    def send(
        self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None, repeatable: bool = False,
        operations: int = 1,
    ) -> requests.Response:  # fmt: skip
        """A write of any kind (POST, PATCH, PUT, DELETE), with the quiet headers where the client has them.

        operations: rows that it writes, as the service counts them.
        """
        options = {"repeatable": repeatable, "operations": operations}
        return self._send(method, path, json=json, headers={**self._quiet(path), **(headers or {})}, **options)

    def download(self, path: str) -> BinaryIO:
        """A value as a file at its start, complete, with bounded memory; the caller closes it. Raises what `get` raises."""
        try:
            return self._session.download(API + path, headers={"If-None-Match": "null"})
        except HttpRefused as refused:
            raise _judged(refused, True) from None

    def _multiple(self, message: str, table: str, entity_set: str, rows: Sequence[Target]) -> requests.Response:
        kind = {"@odata.type": f"{NS}.{table}"}
        targets = [orjson.Fragment(joined(kind, row)) if isinstance(row, bytes) else kind | row for row in rows]
        # The same rows by primary key: an upsert or update whose answer got lost may be sent again.
        repeatable, bucket = message != "Create", f"{message} {table} {len(rows)}"
        path = f"{entity_set}/{NS}.{message}Multiple"
        options = {"repeatable": repeatable, "bucket": bucket, "operations": len(rows), "divisible": True}
        return self._send("POST", path, json={"Targets": targets}, headers=self._quiet(path), **options)

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            response = self._session.request(method, API + path, **options)
        except HttpRefused as refused:
            raise _judged(refused, options.get("repeatable", method == "GET")) from None
        except SignInRefused:
            raise
        except Unauthorized as error:
            raise Unauthorized(str(error), remedy=_NOT_ACCEPTED) from None
        hint = response.headers.get("x-ms-dop-hint", "")
        if hint.isdigit() and int(hint) > 0:
            self.governor.hear(int(hint))
        return response

    def _relative(self, link: str | None) -> str | None:
        """A next link as a path of this environment: the service may name itself by its other host name."""
        if not link:
            return None
        parts = urlsplit(link)
        path = parts.path.partition(API)[2] or parts.path.lstrip("/")
        return f"{path}?{parts.query}" if parts.query else path


def joined(first: Mapping[str, Any], rest: bytes) -> bytes:
    """One JSON object of some values, at least one, and of an object that is JSON already; no key may stand in both."""
    return orjson.dumps(first)[:-1] + (b"}" if rest == b"{}" else b"," + rest[1:])


def literal(text: str) -> str:
    """A text as a filter takes it: in quotes, those within it doubled."""
    return "'" + text.replace("'", "''") + "'"


def environment_url(address: str) -> str:
    """Scheme and host of an environment's address, whatever path a person pasted behind it."""
    parts = urlsplit(address.strip())
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else address.strip()


def _counted(operation: Operation | ChangeSet) -> int:
    """What an entitlement counts of it: each write, also within a change set (facts, section 4)."""
    return sum(one.method != "GET" for one in (operation if isinstance(operation, tuple) else (operation,)))


def _judged(refused: HttpRefused, repeatable: bool) -> Exception:
    if refused.status < HTTPStatus.INTERNAL_SERVER_ERROR or errors.read_error(refused.payload)[0]:
        return errors.from_refusal(refused)
    # a failure that Dataverse itself put no words to
    return refused if repeatable else OutcomeUnknown(f"{refused} It may have been carried out.")


def _parsed(response: requests.Response) -> dict[str, Any]:
    try:
        found = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise errors.ShortAnswer("An answer isn't JSON.") from None
    if not isinstance(found, dict):
        raise errors.ShortAnswer("An answer isn't a JSON object.")
    return found


def _in(column: str, values: Sequence[str]) -> str:
    listed = ",".join(f'"{value}"' for value in values)
    return f"{NS}.In(PropertyName='{column}',PropertyValues=[{listed}])"
