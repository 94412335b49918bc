"""A connection's secret is written and never read."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateBuilder, Name, NameAttribute
from cryptography.x509.oid import NameOID
from django.db import connection
from django.urls import reverse

from tests.pages import cast
from workbench.engagements.models import AuditEntry, Connection

pytestmark = pytest.mark.django_db
NEW_KEY = "brand-new-key-91"


@pytest.fixture
def sandbox(northwind):
    return northwind.connections.get(name="sandbox")


@pytest.fixture
def client(people, as_user):
    return as_user(people.engineer)


def form(**changes):
    values = {
        "kind": "dataverse",
        "name": "sandbox",
        "base_url": "https://sandbox.crm4.dynamics.com",
        "settings": "{}",
        "ca_pem": "",
        "new_secret": "",
    }
    return values | changes


def save(client, row, **changes):
    return client.post(reverse("admin:engagements_connection_change", args=[row.pk]), form(**changes))


def test_no_page_shows_a_stored_secret(client, sandbox):
    for url in (reverse("admin:engagements_connection_change", args=[sandbox.pk]), reverse("admin:engagements_connection_changelist")):
        text = client.get(url).content.decode()
        assert "hush-hush" not in text
        assert "gAAAA" not in text  # nor as it stands in the database
    assert "One is stored" in client.get(reverse("admin:engagements_connection_change", args=[sandbox.pk])).content.decode()


def test_an_empty_field_leaves_the_stored_secret(client, sandbox):
    assert save(client, sandbox, name="renamed").status_code == 302
    kept = Connection.objects.get(pk=sandbox.pk)
    assert (kept.name, kept.secret) == ("renamed", "hush-hush-secret")


def test_a_new_secret_replaces_the_old_and_the_history_keeps_neither(client, sandbox):
    assert save(client, sandbox, new_secret=NEW_KEY).status_code == 302
    assert Connection.objects.get(pk=sandbox.pk).secret == NEW_KEY
    entry = AuditEntry.objects.get(action="changed connection")
    assert entry.detail == {"changes": {"new_secret": {"to": "(not shown)"}}}


def test_a_refused_form_does_not_show_the_secret_that_was_typed(client, sandbox):
    answer = save(client, sandbox, new_secret=NEW_KEY, base_url="nonsense")
    assert answer.status_code == 200
    assert NEW_KEY not in answer.content.decode()


def test_what_is_not_a_certificate_is_refused(client, sandbox):
    assert "isn&#x27;t a certificate" in save(client, sandbox, ca_pem="hello").content.decode()


def test_a_certificate_that_can_not_be_read_or_has_expired_is_refused(client, sandbox):
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    assert "can&#x27;t be read" in save(client, sandbox, ca_pem=broken).content.decode()
    assert "expired on 2021-01-01" in save(client, sandbox, ca_pem=certificate(ends=datetime(2021, 1, 1, tzinfo=UTC))).content.decode()
    assert save(client, sandbox, ca_pem=certificate(ends=datetime(2200, 1, 1, tzinfo=UTC))).status_code == 302


def certificate(ends):
    key, name = generate_private_key(SECP256R1()), Name([NameAttribute(NameOID.COMMON_NAME, "authority")])
    begun = CertificateBuilder(name, name, key.public_key(), 1, datetime(2020, 1, 1, tzinfo=UTC), ends)
    return begun.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_secret_that_can_not_be_decrypted_does_not_stop_the_page_where_it_is_replaced(client, sandbox):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE engagements_connection SET secret = 'not a token'")
    assert client.get(reverse("admin:engagements_connection_change", args=[sandbox.pk])).status_code == 200
    assert client.get(reverse("admin:engagements_engagement_change", args=[sandbox.engagement_id])).status_code == 200
    save(client, sandbox, new_secret=NEW_KEY)
    assert Connection.objects.get(pk=sandbox.pk).secret == NEW_KEY


def test_a_connection_can_only_be_added_to_ones_own_engagement(client):
    contoso = cast.make_engagement("Contoso")
    answer = client.post(reverse("admin:engagements_connection_add"), form(engagement=contoso.pk, name="mine"))
    assert answer.status_code == 200
    assert not Connection.objects.filter(name="mine").exists()


def test_checking_a_connection_says_what_is_wrong_and_what_to_do(client, northwind):
    row = Connection.objects.create(engagement=northwind, kind="iterable", name="source", base_url="http://example.test", secret="key")
    answer = client.get(reverse("admin:engagements_connection_check_connection", args=[row.pk]), follow=True)
    text = " ".join(str(message) for message in answer.context["messages"])
    assert "https" in text
    assert "hush" not in text


@pytest.mark.parametrize("given", ["[]", '"text"', '{"client_id": ["x"]}', '{"authority": 7}'])
def test_settings_that_a_connection_would_fail_on_are_refused_before_they_are_kept(client, sandbox, given):
    assert save(client, sandbox, settings=given).status_code == 200
    assert Connection.objects.get(pk=sandbox.pk).settings == sandbox.settings


@pytest.mark.parametrize(("address", "told"), [("example.test:99999", "a port"), ("ada:pass-word@example.test", "a name or a password")])
def test_an_address_that_can_not_be_called_is_said_without_what_is_secret_in_it(client, northwind, address, told):
    row = Connection.objects.create(engagement=northwind, kind="iterable", name="source", base_url=f"https://{address}", secret="key")
    answer = client.get(reverse("admin:engagements_connection_check_connection", args=[row.pk]), follow=True)
    said = " ".join(str(message) for message in answer.context["messages"])
    assert told in said
    assert "pass-word" not in said
