"""The further application users of an environment: which are offered, which are refused, and what the history keeps."""

import pytest
from django.urls import reverse

from tests.pages import cast
from workbench.engagements.models import AuditEntry, Connection

pytestmark = pytest.mark.django_db
ADDRESS = "https://sandbox.crm4.dynamics.com"


@pytest.fixture
def client(people, as_user):
    return as_user(people.engineer)


@pytest.fixture
def sandbox(northwind):
    return northwind.environments.get(kind="sandbox")


def connection(engagement, name: str, address: str = ADDRESS, client_id: str = "", kind: str = "dataverse") -> Connection:
    settings = {"client_id": client_id or name}
    return Connection.objects.create(engagement=engagement, kind=kind, name=name, base_url=address, settings=settings)


def page(engagement) -> str:
    return reverse("admin:engagements_engagement_change", args=[engagement.pk])


def forms_of(answer) -> dict[str, list]:
    """Every form of the engagement's page by its prefix."""
    formsets = [one.formset for one in answer.context["inline_admin_formsets"]]
    forms = [answer.context["adminform"].form, *(formset.management_form for formset in formsets)]
    return {form.prefix or "": form for form in [*forms, *(form for formset in formsets for form in formset.forms)]}


def save(client, engagement, environment, chosen, **changes):
    forms = forms_of(client.get(page(engagement)))
    values = {form.add_prefix(name): form[name].value() for form in forms.values() for name in form.fields}
    prefix = next(key for key, form in forms.items() if getattr(form, "instance", None) == environment)
    values |= {f"{prefix}-further_connections": [one.pk for one in chosen]} | {f"{prefix}-{name}": value for name, value in changes.items()}
    return client.post(page(engagement), {name: "" if value is None else value for name, value in values.items()})


def errors(answer) -> str:
    return " ".join(str(formset.formset.errors) for formset in answer.context["inline_admin_formsets"])


def test_only_connections_to_the_same_address_are_offered(client, northwind, sandbox):
    second = connection(northwind, "second", f"{ADDRESS}/")
    connection(northwind, "elsewhere", "https://other.crm4.dynamics.com")
    connection(northwind, "source", ADDRESS, kind="iterable")
    connection(cast.make_engagement("Contoso"), "theirs")
    form = next(form for form in forms_of(client.get(page(northwind))).values() if getattr(form, "instance", None) == sandbox)
    assert list(form.fields["further_connections"].queryset) == [second]


def test_those_chosen_are_saved_and_the_history_names_them(client, northwind, sandbox):
    second = connection(northwind, "second")
    assert save(client, northwind, sandbox, [second], daily_requests=90_000).status_code == 302
    sandbox.refresh_from_db()
    assert (list(sandbox.further_connections.all()), sandbox.daily_requests) == ([second], 90_000)
    entry = AuditEntry.objects.filter(action="changed environment").latest("pk")
    assert entry.detail["changes"]["further_connections"] == {"from": "", "to": "second (Dataverse)"}


def test_two_connections_of_one_application_user_are_refused(client, northwind, sandbox):
    second, again = connection(northwind, "second", client_id="one"), connection(northwind, "again", client_id="one")
    answer = save(client, northwind, sandbox, [second, again])
    assert "it would share its limits" in errors(answer)
    assert not sandbox.further_connections.exists()
