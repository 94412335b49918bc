"""Who calls: the bearer token, the application user behind it, impersonation, and rights that headers need."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from connectors.simulators.entra import InvalidToken, read_token

from . import errors
from .calls import Caller
from .identifiers import read_guid
from .organisation import Organisation

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Access:
    """Checks requests of one organisation. audience: the base URL that tokens must be for; None: any loopback address."""

    def __init__(self, org: Organisation, *, signing_key: bytes, audience: str | None) -> None:
        """audience: the base URL that tokens must be for."""
        self._org, self._key, self._audience = org, signing_key, audience

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """The calling user. Raises ServiceError 401 for the token, 403 for the user."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise _unauthorised("Authorization header is missing or isn't a bearer token.")
        try:
            claims = read_token(token.strip(), self._key)
        except InvalidToken as error:
            raise _unauthorised(str(error)) from error
        self._check_audience(str(claims.get("aud", "")))
        return self._user(str(claims.get("appid", "")))

    def _check_audience(self, audience: str) -> None:
        wanted = self._audience
        good = audience.rstrip("/") == wanted.rstrip("/") if wanted else urlsplit(audience).hostname in _LOOPBACK
        if not good:
            raise _unauthorised("The audience of the token isn't this organisation.")

    def _user(self, application_id: str) -> Caller:
        row = self._org.application_user(application_id)
        if row is None:
            raise errors.ServiceError(403, "0x80072560", "The user is not a member of the organization.")
        if row.get("isdisabled"):
            raise errors.ServiceError(403, "0x80040225", f"The user with SystemUserId={row['systemuserid']} is disabled.")
        return replace(self._org.caller(row["systemuserid"]), application_id=application_id.lower())


def impersonated(org: Organisation, caller: Caller, headers: Mapping[str, str]) -> Caller:
    """The user that CallerObjectId or MSCRMCallerID names, with the rights that both have. Raises ServiceError."""
    wanted = headers.get("callerobjectid") or headers.get("mscrmcallerid")
    if not wanted:
        return caller
    if not caller.may("prvActOnBehalfOfAnotherUser"):
        raise errors.missing_privilege(caller.user_id, 1, "prvActOnBehalfOfAnotherUser", "systemuser", 8)
    column = "azureactivedirectoryobjectid" if headers.get("callerobjectid") else "systemuserid"
    guid, users = read_guid(wanted), org.rows("systemuser")
    found = next((i for i, row in users.items() if guid and str(row.get(column) or "").lower() == guid), None)
    if found is None:
        raise errors.missing_row("systemuser", wanted)
    if users[found].get("isdisabled"):
        raise errors.ServiceError(403, "0x80040225", f"The user with SystemUserId={found} is disabled.")
    other = org.caller(found)
    return replace(other, missing=other.missing | caller.missing, behalf=caller.user_id)


def check_bypass(caller: Caller, headers: Mapping[str, str]) -> None:
    """The privileges that the headers to bypass custom logic need (facts, section 8). Raises ServiceError."""
    logic = headers.get("mscrm.bypassbusinesslogicexecution")
    if (logic or headers.get("mscrm.bypassbusinesslogicexecutionstepids")) and not caller.may("prvBypassCustomBusinessLogic"):
        raise errors.missing_privilege(caller.user_id, 1, "prvBypassCustomBusinessLogic", "none", 0)
    if logic and set(logic.replace(" ", "").split(",")) - {"CustomSync", "CustomAsync"}:
        raise errors.invalid_argument("BypassBusinessLogicExecution takes CustomSync and CustomAsync.")
    if headers.get("mscrm.bypasscustompluginexecution") == "true" and not caller.may("prvBypassCustomPlugins"):
        raise errors.missing_privilege(caller.user_id, 1, "prvBypassCustomPlugins", "none", 0)


def _unauthorised(message: str) -> errors.ServiceError:
    """401 as the service's front door words it (*assumed*: the body; the real one may be empty)."""
    challenge = "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize, resource_id=organisation"
    return errors.ServiceError(401, "0x80040220", f"Unauthorized: {message}", {"WWW-Authenticate": challenge})
