import json
import logging
from urllib.parse import parse_qs

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.dataverse.auth import Credentials, SignInRefused, Tokens, credentials_of
from connectors.dataverse.client import Client
from connectors.http import Unauthorized, Unreachable
from tests.connectors.connections import FakeConnection
from tests.connectors.loopback import Received, Reply, serving
from workbench.engagements.errors import BadInput

SECRET = "the-right-client-secret"
TENANT = "8a0c7f5e-1111-4222-8333-944455556666"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def entra(authority, tmp_path):
    """An authority that knows one tenant and one secret, and counts its tokens."""
    with serving(authority) as service:
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        service.ca = str(tmp_path / "ca.pem")
        service.lifetime = 3600
        service.script = lambda request: answered(service, request)
        yield service


def answered(service, request: Received) -> Reply:
    root = f"{service.url}/{TENANT}"
    if not request.path.startswith(f"/{TENANT}/"):
        return Reply(400, json={"error": "invalid_tenant", "error_codes": [90002], "error_description": "AADSTS90002: Tenant not found."})
    if "openid-configuration" in request.path:
        return Reply(json={"token_endpoint": f"{root}/oauth2/v2.0/token", "authorization_endpoint": f"{root}/a", "issuer": f"{root}/v2.0"})
    form = parse_qs(request.body.decode())
    if form.get("client_secret") != [SECRET] and "client_assertion" not in form:
        error = {"error": "invalid_client", "error_codes": [7000215], "error_description": "AADSTS7000215: Invalid client secret provided."}
        return Reply(401, json=error)
    number = sum("token" in path for path in service.paths)
    return Reply(json={"token_type": "Bearer", "expires_in": service.lifetime, "access_token": f"token-{number}"})


def tokens_of(entra, *, secret: str = SECRET, tenant: str = TENANT, thumbprint: str = "") -> Tokens:
    credentials = Credentials(f"{entra.url}/{tenant}", "app-1", secret, thumbprint, entra.ca)
    return Tokens(credentials, "https://org.crm4.dynamics.com/.default")


def test_a_token_is_kept_until_shortly_before_it_expires(entra, caplog):
    caplog.set_level(logging.DEBUG)
    tokens = tokens_of(entra)
    assert tokens.header() == tokens.header() == {"Authorization": "Bearer token-1"}
    assert parse_qs(entra.received[-1].body.decode())["scope"] == ["https://org.crm4.dynamics.com/.default"]
    entra.lifetime = 0
    tokens.forget({"Authorization": "Bearer token-1"})
    assert tokens.header() == {"Authorization": "Bearer token-2"}
    assert tokens.header() == {"Authorization": "Bearer token-3"}
    assert SECRET not in caplog.text
    assert "token-1" not in caplog.text


def test_a_late_refusal_of_an_old_token_does_not_throw_the_new_one_away(entra):
    tokens = tokens_of(entra)
    tokens.header()
    tokens.forget({"Authorization": "Bearer token-0"})
    assert tokens.header() == {"Authorization": "Bearer token-1"}


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [({"secret": "wrong-secret-value"}, "client secret is wrong"), ({"tenant": "no-such-tenant"}, "no such tenant")],
)
def test_a_wrong_secret_and_an_unknown_tenant_are_told_apart(entra, changes, remedy):
    with pytest.raises(SignInRefused) as caught:
        tokens_of(entra, **changes).header()
    assert remedy in caught.value.remedy
    assert "wrong-secret-value" not in f"{caught.value!r}{caught.value.remedy}"


def test_an_authority_that_does_not_answer_is_unreachable(entra):
    entra.replies(Reply(drop=True))
    with pytest.raises(Unreachable) as caught:
        tokens_of(entra).header()
    assert entra.url in caught.value.remedy


def test_a_certificate_signs_in_too(entra):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    tokens = tokens_of(entra, secret=pem, thumbprint=":".join(["AB"] * 20))
    assert tokens.header() == {"Authorization": "Bearer token-1"}
    assert "client_secret" not in parse_qs(entra.received[-1].body.decode())


BROKEN = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(("secret", "thumbprint"), [("no key at all", "A" * 40), (BROKEN, "A" * 40), (BROKEN, "not hex")])
def test_a_certificate_that_cannot_be_read_is_said_before_anything_is_sent(entra, secret, thumbprint):
    with pytest.raises(BadInput):
        tokens_of(entra, secret=secret, thumbprint=thumbprint).header()
    assert not entra.received


def test_the_client_renews_a_refused_token_once_and_then_says_what_to_look_at(entra, service):
    connection = FakeConnection(
        service.url, secret=SECRET, ca=entra.ca, settings={"authority": f"{entra.url}/{TENANT}", "client_id": "app-1"}
    )
    service.script = lambda request: Reply(json={}) if request.headers["Authorization"] == "Bearer token-2" else Reply(401)
    client = Client.from_connection(connection)
    client.who_am_i()
    assert [request.headers["Authorization"] for request in service.received] == ["Bearer token-1", "Bearer token-2"]
    service.replies(Reply(401))
    with pytest.raises(Unauthorized) as caught:
        client.who_am_i()
    assert "application user" in caught.value.remedy


def test_an_incomplete_connection_is_said_before_anything_is_sent():
    with pytest.raises(BadInput, match="client_id"):
        credentials_of(FakeConnection("https://org.crm4.dynamics.com", settings={"authority": "https://login.microsoftonline.com/t"}))


def test_credentials_are_not_shown_where_they_are_printed():
    shown = repr(Credentials("https://login.microsoftonline.com/t", "app-1", SECRET))
    assert SECRET not in shown
    assert json.dumps(shown)
