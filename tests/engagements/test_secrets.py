import pytest
from cryptography.fernet import Fernet
from django.db import connection

from connectors.pem import one_line_to_pem
from tests.pages import cast
from workbench.engagements.models import Connection
from workbench.engagements.secrets import SecretUnreadable

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def stored() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM engagements_connection")
        return [row[0] for row in cursor.fetchall()]


def test_a_secret_is_encrypted_in_the_database_and_plain_in_python():
    engagement = cast.make_engagement("Northwind")
    assert all("hush-hush" not in text for text in stored())
    assert {row.secret for row in engagement.connections.all()} == {"hush-hush-secret"}


def test_keys_rotate_and_a_lost_key_is_said_with_a_remedy(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [old]
    cast.make_engagement("Northwind")
    settings.CREDENTIAL_KEYS = [new, old]
    assert Connection.objects.first().secret == "hush-hush-secret"
    settings.CREDENTIAL_KEYS = [new]
    with pytest.raises(SecretUnreadable) as lost:
        Connection.objects.first()
    assert "CREDENTIAL_KEYS" in lost.value.remedy


def test_a_private_key_that_lost_its_lines_in_a_password_field_gets_them_back():
    pem = "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n" + "B" * 20 + "\n-----END PRIVATE KEY-----\n"
    assert one_line_to_pem(pem.replace("\n", "")) == pem
    assert one_line_to_pem("plain secret with spaces") == "plain secret with spaces"
