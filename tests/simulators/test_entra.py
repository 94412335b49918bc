import datetime
import threading

import msal
import pytest
import requests
import trustme
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from connectors.simulators import entra
from tests.simulators.dataverse_organisation import CLIENT_ID, KEY, organisation

TENANT = "contoso.example"
SCOPE = ["http://127.0.0.1:8000/.default"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The address of a tenant over TLS, and a session that trusts its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    maker = trustme.CA()
    maker.cert_pem.write_to_path(str(folder / "ca.pem"))
    maker.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    app = entra.build_app(signing_key=KEY, tenant=TENANT, client_id=CLIENT_ID, client_secret="s3cret")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ssl_certfile=str(folder / "server.pem")))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.005)
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(folder / "ca.pem")
        yield f"https://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", session
    server.should_exit = True
    thread.join()


def application(authority, credential="s3cret", client_id=CLIENT_ID):
    address, session = authority
    return msal.ConfidentialClientApplication(
        client_id, client_credential=credential, authority=f"{address}/{TENANT}", http_client=session, instance_discovery=False
    )


def control(authority, path, body):
    address, session = authority
    assert session.post(f"{address}/_simulator/{path}", json=body, timeout=10).status_code == 200


def test_a_secret_gets_a_token_that_an_organisation_accepts(authority, tmp_path):
    answer = application(authority).acquire_token_for_client(SCOPE)
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] > 3000
    with organisation(tmp_path) as org:
        org.session.headers["Authorization"] = f"Bearer {answer['access_token']}"
        assert org.get("WhoAmI")["UserId"]


@pytest.mark.parametrize(
    ("changed", "error", "code"),
    [
        ({"credential": "wrong"}, "invalid_client", 7000215),
        ({"client_id": "99999999-0000-4000-8000-000000000000"}, "unauthorized_client", 700016),
    ],
)
def test_a_wrong_secret_or_application_is_refused_in_entras_words(authority, changed, error, code):
    answer = application(authority, **changed).acquire_token_for_client(SCOPE)
    assert answer["error"] == error
    assert answer["error_codes"] == [code]
    assert answer["error_description"].startswith(f"AADSTS{code}: ")


def test_a_scope_needs_a_resource_and_default(authority):
    address, session = authority
    form = {"client_id": CLIENT_ID, "client_secret": "s3cret", "grant_type": "client_credentials"}
    for scope, code in (("http://127.0.0.1:8000", 70011), ("", 70011), ("crm/.default", 500011)):
        answer = session.post(f"{address}/{TENANT}/oauth2/v2.0/token", data={**form, "scope": scope}, timeout=10)
        assert (answer.status_code, answer.json()["error_codes"]) == (400, [code])


def test_an_unknown_tenant_has_no_configuration(authority):
    address, session = authority
    answer = session.get(f"{address}/elsewhere/v2.0/.well-known/openid-configuration", timeout=10)
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [90002])


def test_tokens_can_be_made_short_lived(authority, tmp_path):
    control(authority, "tokens", {"lifetime_s": 0})
    token = application(authority).acquire_token_for_client(SCOPE)["access_token"]
    control(authority, "tokens", {"lifetime_s": 3599})
    with organisation(tmp_path) as org:
        assert org.call("GET", "WhoAmI", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def certificate():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "workbench")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode(), made.public_bytes(serialization.Encoding.PEM).decode()


def test_a_certificate_gets_a_token_once_it_is_registered(authority):
    key, public = certificate()
    credential = {"private_key": key, "public_certificate": public}
    refused = application(authority, credential).acquire_token_for_client(SCOPE)
    assert refused["error_codes"] == [700027]
    control(authority, "certificates", {"pem": public})
    assert application(authority, credential).acquire_token_for_client(SCOPE)["access_token"]
    stolen = {"private_key": certificate()[0], "public_certificate": public}
    assert application(authority, stolen).acquire_token_for_client(SCOPE)["error_codes"] == [700027]
