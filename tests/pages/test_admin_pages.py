"""Every page of the admin: it answers, to its engineers only, escaped, and as fast with many rows as with few."""

import re
import uuid

import pytest
from django.conf import settings as django_settings
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connectors.models import Dataset
from loads.models import Binding, Conflict, Crosswalk, Departed, SchemaPlan, SchemaRemoval
from mapping import plan
from mapping.models import (
    DiscoveryFinding,
    EnteredJourney,
    EventType,
    FieldMap,
    JourneyDefinition,
    OwnerMatch,
    SourceField,
    SourceObject,
    SplitRule,
)
from reports.models import Document
from tests.pages import cast
from workbench.engagements import history, invitations, signoffs
from workbench.engagements.models import Membership, Role
from workbench.engagements.scoped_admin import Scoped
from workbench.hypercare import tickets
from workbench.hypercare.models import HypercareCalendar
from workbench.pipeline.models import Step
from workbench.privacy.models import Erasure, Purge

pytestmark = pytest.mark.django_db
MARKUP = "<script>alert(1)</script>{{ 7|add:7 }}"
admin.autodiscover()
OURS = [model for model, page in admin.site._registry.items() if isinstance(page, Scoped)]


def fill(engagement, people, rows: int = 1) -> None:
    """At least `rows` rows of everything that the admin shows."""
    cast.make_planned(engagement, {f"stage {n} {MARKUP}": "lead" for n in range(rows)})
    dataset = Dataset.objects.create(engagement=engagement, object_name="user", purpose="discovery")
    SourceField.objects.create(
        engagement=engagement, dataset=dataset, object_name="user", name=MARKUP, rows=2, filled=1, top=[[MARKUP, 1]], types={"string": 1}
    )
    SourceObject.objects.create(engagement=engagement, dataset=dataset, object_name="user", title=MARKUP, content={"note": MARKUP})
    EventType.objects.create(engagement=engagement, dataset=dataset, object_name="customEvent", name=MARKUP, count=1, samples=1)
    run = cast.make_run(engagement, people.engineer)
    environment = run.environment
    maps = plan.current(engagement)["maps"]
    HypercareCalendar.objects.create(engagement=engagement)
    for n in range(rows):
        FieldMap.objects.create(engagement=engagement, object_name="user", source=f"f{n}", table="contact", column="x", reason=MARKUP)
        OwnerMatch.objects.create(engagement=engagement, source_owner=f"{n}{MARKUP}")
        DiscoveryFinding.objects.create(
            engagement=engagement, environment=environment, check_name=MARKUP, subject=f"{n}{MARKUP}", severity="warning", evidence=MARKUP
        )
        Dataset.objects.create(engagement=engagement, object_name=f"o{n}", purpose="discovery")
        entered = EnteredJourney.objects.create(engagement=engagement, journey_id=f"{n}", name=MARKUP, note=MARKUP)
        entered.steps.create(number=1, kind="other", note=MARKUP)
        sizes = {"size": 1, "journeys": 1, "steps": 1}
        JourneyDefinition.objects.create(engagement=engagement, version=n + 1, file_name=MARKUP, sha256="0" * 64, given_by=MARKUP, **sizes)
        SchemaPlan.objects.create(
            environment=environment, maps=maps, steps=[{"table": "contact", "column": MARKUP, "action": "create", "spec": {"a": MARKUP}}]
        )
        component = {"kind": "String", "table": "contact", "column": MARKUP, "rows": 1, "made": True, "dependents": MARKUP}
        SchemaRemoval.objects.create(
            environment=environment, requested_by=MARKUP, components=[{**component, "verdict": "keep", "reason": MARKUP}]
        )
        Binding.objects.create(environment=environment, kind="user", name=f"{n}{MARKUP}", row_id=uuid.uuid4())
        Crosswalk.objects.create(
            environment=environment, object_name="user", source_id=f"u-{n}{MARKUP}", table="contact", row_id=uuid.uuid4()
        )
        cast.make_exception(run, f"u-{n}{MARKUP}")
        of_run = {"run": run, "object_name": "user", "source_id": f"u-{n}{MARKUP}", "table": "contact", "row_id": uuid.uuid4()}
        field = {"column": MARKUP, "last": MARKUP, "now": MARKUP, "new": MARKUP, "proposed": ""}
        Conflict.objects.create(environment=environment, fields=[field], **of_run)
        Departed.objects.create(cause="deleted", **of_run)
        cast.make_verified(run, f"u-{n}{MARKUP}")
        Document.objects.create(engagement=engagement, run=run, kind="scope", format="xlsx", path=f"{n}.xlsx", sha256="0" * 64)
        Step.objects.create(engagement=engagement, name="discover", requested_by=MARKUP, message=MARKUP, progress=MARKUP)
        history.record(engagement, actor=MARKUP, action="changed", subject=MARKUP)
        sign(engagement, people)
        invitations.invite(engagement, email=f"n{n}@example.test", role="viewer", by=people.engineer)
        raised = tickets.raise_ticket(
            engagement, by=people.approver, side=tickets.Side.CUSTOMER, title=MARKUP, text=f"{n}{MARKUP}", kind="other"
        )
        tickets.say(raised, by=people.engineer, side=tickets.Side.ENGINEER, text=MARKUP, internal=True)
        done = {"finished_at": run.created_at, "counts": {MARKUP: 1}}
        Erasure.objects.create(engagement=engagement, person=f"{n}{MARKUP}"[:80], requested_by=people.engineer, **done)
        gone = cast.make_engagement(f"Purged {uuid.uuid4().hex[:8]}")  # its own is closed for all the rest
        Membership.objects.create(engagement=gone, user=people.engineer, role=Role.ENGINEER)
        Purge.objects.create(engagement=gone, requested_by=MARKUP)


def sign(engagement, people):
    content = {"rows": [{"stage": MARKUP, "outcome": "lead"}]}
    shown = signoffs.content_hash(content)
    signoffs.sign(
        engagement=engagement,
        kind="matrix",
        covers={},
        content=content,
        user=people.approver,
        shown_sha256=shown,
        address=None,
        note=MARKUP,
    )


def address(model, page: str, *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_every_link_of_the_sidebar_leads_somewhere(northwind, people, as_user):
    client = as_user(cast.make_user("boss", superuser=True))
    for group in django_settings.UNFOLD["SIDEBAR"]["navigation"]:
        for item in group["items"]:
            assert client.get(str(item["link"]), follow=True).status_code == 200, item


def test_every_list_and_every_row_answers_and_shows_markup_as_text(northwind, people, as_user):
    fill(northwind, people)
    client = as_user(people.engineer)
    for model in OURS:
        page = admin.site._registry[model]
        rows = page.get_queryset(request_of(people.engineer))
        assert rows, f"no {model.__name__} to show"
        for url in (address(model, "changelist"), address(model, "change", rows.first().pk)):
            answer = client.get(url, follow=True)
            assert answer.status_code == 200, url
            text = answer.content.decode()
            assert "<script>alert(1)" not in text, url
            assert "14" not in re.findall(r"alert\(1\)&lt;/script&gt;(\w+)", text), url
    assert OURS


def test_every_list_counts_what_its_filters_would_show(northwind, people, as_user):
    fill(northwind, people)
    client = as_user(people.engineer)
    for model in OURS:
        if admin.site._registry[model].list_filter:
            assert client.get(address(model, "changelist"), {"_facets": "True"}, follow=True).status_code == 200, model
    counted = client.get(address(FieldMap, "changelist"), {"_facets": "True"}).content.decode()
    assert f"{northwind} ({FieldMap.objects.filter(engagement=northwind).count()})" in counted


def request_of(user):
    request = RequestFactory().get("/admin/")
    request.user = user
    return request


def test_an_engineer_of_another_engagement_sees_and_reaches_nothing(northwind, people, as_user):
    fill(northwind, people)
    contoso = cast.make_engagement("Contoso")
    stranger = as_user(cast.make_cast(contoso).engineer)
    for model in OURS:
        rows = list(model._default_manager.all())
        mine = set(admin.site._registry[model].get_queryset(request_of(people.engineer)).values_list("pk", flat=True))
        assert "Northwind" not in stranger.get(address(model, "changelist"), follow=True).content.decode(), model
        for row in rows:
            if row.pk in mine:
                assert stranger.get(address(model, "change", row.pk)).status_code in (302, 403), model
                assert stranger.post(address(model, "change", row.pk), {}).status_code in (302, 403), model


@pytest.mark.parametrize("role", ["approver", "viewer", "admin"])
def test_the_customer_does_not_reach_the_admin(northwind, people, as_user, role):
    answer = as_user(getattr(people, role)).get(address(SplitRule, "changelist"))
    assert answer.status_code == 302
    assert "/admin/login/" in answer.url


LISTS = [
    "mapping_fieldmap",
    "mapping_sourcefield",
    "mapping_ownermatch",
    "mapping_splitrule",
    "loads_run",
    "loads_ledgerentry",
    "loads_crosswalk",
    "loads_verifiedrow",
    "hypercare_ticket",
    "engagements_invitation",
]


def test_lists_ask_as_much_of_the_database_for_many_rows_as_for_few(northwind, people, as_user):
    client = as_user(people.engineer)
    fill(northwind, people, 1)
    for name in LISTS:
        client.get(reverse(f"admin:{name}_changelist"), follow=True)  # what is asked once per process
    few = {name: queries(client, reverse(f"admin:{name}_changelist")) for name in LISTS}
    run = northwind.runs.get()
    for n in range(12):
        cast.make_field_map(northwind, f"more{n}")
        SplitRule.objects.create(engagement=northwind, stage=f"more {n}")
        OwnerMatch.objects.create(engagement=northwind, source_owner=f"more {n}")
        cast.make_exception(run, f"more-{n}")
        cast.make_verified(run, f"more-{n}")
        cast.make_run(northwind, people.engineer)
        invitations.invite(northwind, email=f"more{n}@example.test", role="viewer", by=people.engineer)
        tickets.raise_ticket(northwind, by=people.approver, side=tickets.Side.CUSTOMER, title="More", text="More", kind="other")
        Crosswalk.objects.create(
            environment=run.environment, object_name="user", source_id=f"more-{n}", table="contact", row_id=uuid.uuid4()
        )
    many = {name: queries(client, reverse(f"admin:{name}_changelist")) for name in LISTS}
    assert many == few


def queries(client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url, follow=True).status_code == 200
    return len(captured)


def test_exceptions_open_on_the_newest_run(northwind, people, as_user):
    old, new = cast.make_run(northwind, people.engineer), cast.make_run(northwind, people.engineer)
    cast.make_exception(old, "u-old")
    cast.make_exception(new, "u-new")
    client = as_user(people.engineer)
    answer = client.get(reverse("admin:loads_ledgerentry_changelist"), follow=True)
    assert [row.source_id for row in answer.context["cl"].result_list] == ["u-new"]
    answer = client.get(reverse("admin:loads_ledgerentry_changelist"), {"run__id__exact": old.pk})
    assert [row.source_id for row in answer.context["cl"].result_list] == ["u-old"]


def test_a_row_id_or_a_source_id_finds_its_line_of_the_crosswalk(northwind, people, as_user):
    fill(northwind, people)
    row = Crosswalk.objects.get()
    client = as_user(people.engineer)
    for term, found in ((str(row.row_id), True), (row.source_id, True), ("u-", False)):
        answer = client.get(reverse("admin:loads_crosswalk_changelist"), {"q": term})
        assert (str(row.row_id) in answer.content.decode().replace(f'value="{term}"', "")) is found


def test_a_document_is_a_download_and_stays_inside_the_store(northwind, people, as_user, settings, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    (store / "scope.xlsx").write_bytes(b"sheet")
    (tmp_path / "secret.txt").write_text("hush")
    document = Document.objects.create(engagement=northwind, kind="scope", format="xlsx", path="scope.xlsx", sha256="0" * 64)
    escape = Document.objects.create(engagement=northwind, kind="scope", format="txt", path="../secret.txt", sha256="0" * 64)
    client = as_user(people.engineer)
    answer = client.get(reverse("admin:reports_document_download", args=[document.pk]))
    assert (b"".join(answer.streaming_content), answer["Content-Disposition"]) == (b"sheet", 'attachment; filename="northwind-scope.xlsx"')
    assert client.get(reverse("admin:reports_document_download", args=[escape.pk])).status_code == 404
    stranger = as_user(cast.make_cast(cast.make_engagement("Contoso")).engineer)
    assert stranger.get(reverse("admin:reports_document_download", args=[document.pk])).status_code == 404
