"""Admin page of owners: the queue with states, likeness and problems; answers in place, or for many at once with their scope shown."""

import uuid
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet, TextField
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from mapping.models import OwnerMatch
from mapping.owners import answers, suggestions, tasks
from mapping.owners.answers import Answer
from mapping.owners.matching import candidates_of
from mapping.plan_admin import PlanRowAdmin
from workbench.engagements.access import workable_by
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement
from workbench.engagements.scoped_admin import EngagementFilter

ANSWER_FIELDS = {"kind", "answer", "note"}
LISTED = 200


class OwnerStateFilter(DropdownFilter):
    """Open, answered, or answered with a problem."""

    title = "state"
    parameter_name = "owner_state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The three states."""
        return [(str(state), str(label)) for state, label in OwnerMatch.State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Owners in that state."""
        return cast(Any, queryset).in_state(self.value() or "")


class OwnerMatchForm(forms.ModelForm):
    """An owner's answer, checked against the environments as they were last read."""

    class Meta:
        model = OwnerMatch
        fields = ("kind", "answer", "note", "assignee", "due_on")

    def clean(self) -> dict:
        """A user or a team needs a name that fits; an open question has none."""
        data = super().clean() or {}
        kind, answer = data.get("kind"), (data.get("answer") or "").strip()
        if kind == OwnerMatch.Kind.OPEN and answer:
            self.add_error("kind", "Say whether this is a user or a team.")
        if kind not in (None, OwnerMatch.Kind.OPEN) and not answer:
            self.add_error("answer", "Write the user's e-mail or domain name, or the team's name.")
        if kind == OwnerMatch.Kind.STUB and {"kind", "answer"} & set(self.changed_data):
            self.add_error("kind", f"{answers.MustBeSigned.__doc__} {answers.MustBeSigned.remedy}")
        if not self.errors and kind != OwnerMatch.Kind.OPEN and {"kind", "answer"} & set(self.changed_data):
            self._check(Answer(str(kind), answer))
        return data

    def _check(self, answer: Answer) -> None:
        for problem in answers.problems(answer, [self.instance], candidates_of(self.instance.engagement)):
            self.add_error("answer", f"{problem} {answers.OwnerDoesNotFit.remedy}")


@admin.register(OwnerMatch)
class OwnerMatchAdmin(PlanRowAdmin):
    """The owner queue: nothing that needs an owner loads while one has no answer."""

    plan_part = "owners"
    form = OwnerMatchForm
    list_display = ("shown_owner", "engagement", "records", "shown_state", "kind", "answer", "asked_of")
    list_display_links = ("shown_owner",)
    list_editable = ("kind", "answer")
    list_filter = (EngagementFilter, OwnerStateFilter, "kind", ("assignee", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("engagement", "assignee")
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("source_owner", "answer")
    actions = ("answer_selected", "read_again")
    change_form_template = "admin/workbench/owner_match.html"
    fields = (("kind", "answer"), "note", ("assignee", "due_on"))
    formfield_overrides = {TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})}}

    def get_urls(self) -> list[URLPattern]:
        """With answering many at once, answering by a suggestion, and taking back."""
        view = self.admin_site.admin_view
        return [
            path("answer/", view(require_POST(self.answer_view)), name="mapping_ownermatch_answer"),
            path("take-back/<uuid:batch>/", view(require_POST(self.take_back_view)), name="mapping_ownermatch_take_back"),
            *super().get_urls(),
        ]

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm]:
        """The list checks as the form does."""
        return super().get_changelist_form(request, form=OwnerMatchForm, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only people of the engagements that the engineer works on can be asked."""
        if db_field.name == "assignee":
            kwargs["queryset"] = User.objects.filter(memberships__engagement__in=self._mine(request)).distinct().order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with the likest user or team of each open owner: one pass for the page."""
        found = super().get_changelist_instance(request)
        rows = [row for row in found.result_list if row.kind == OwnerMatch.Kind.OPEN]
        for engagement in {row.engagement for row in rows}:
            environment = suggestions.main_environment(engagement)
            mine = [row for row in rows if row.engagement_id == engagement.pk]
            best = suggestions.best(environment, [row.source_owner for row in mine]) if environment else {}
            for row in mine:
                row.likest = best.get(row.source_owner)
        return found

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Discovery finds the owners."""
        return False

    def save_model(self, request: HttpRequest, obj: OwnerMatch, form: Any, change: bool) -> None:
        """Give the answer as everybody does, so that it is checked, kept with what it replaced and can be taken back."""
        if ANSWER_FIELDS & set(form.changed_data):
            given = Answer(obj.kind, obj.answer, obj.note)
            answers.give(obj.engagement, OwnerMatch.objects.filter(pk=obj.pk), given, by=cast(User, request.user))
            request.__dict__.setdefault("touched_engagements", {})[obj.engagement_id] = obj.engagement
        if {"assignee", "due_on"} & set(form.changed_data):
            obj.save(update_fields=["assignee", "due_on"])
            self.note(request, obj.engagement, "assigned", obj, {"assignee": str(obj.assignee or ""), "due": str(obj.due_on or "")})

    def page_context(self, request: HttpRequest, obj: OwnerMatch) -> dict[str, Any]:
        """Suggestions and history beside the form."""
        environment = suggestions.main_environment(obj.engagement)
        return {
            "match": obj,
            "environment": environment,
            "choices": suggestions.suggest(environment, obj.source_owner) if environment else [],
            "beside": OwnerMatch.objects.beside(obj).in_order(),
            "past": obj.answers.all()[:20],
            "digest": answers.scope(OwnerMatch.objects.filter(pk=obj.pk)).digest,
        }

    @admin.action(description="Answer…")
    def answer_selected(self, request: HttpRequest, matches: QuerySet) -> HttpResponse | None:
        """Show which owners would get one answer, before anything changes."""
        engagements = list(Engagement.objects.filter(pk__in=matches.order_by().values("engagement")))
        if len(engagements) != 1:
            messages.error(request, "Choose owners of one engagement.")
            return None
        return self.scope_page(request, engagements[0], cast(QuerySet[OwnerMatch], matches))

    @admin.action(description="Read users and teams again")
    def read_again(self, request: HttpRequest, matches: QuerySet) -> None:
        """Have the environments of these owners read again, once something was mended there."""
        for engagement in Engagement.objects.filter(pk__in=matches.order_by().values("engagement")):
            tasks.want(engagement, request.user)
        messages.success(request, "Users and teams are being read again. Load this page again in a minute.")

    def scope_page(
        self, request: HttpRequest, engagement: Engagement, matches: QuerySet[OwnerMatch], error: str = "", status: int = 200
    ) -> HttpResponse:
        """The page that lists the owners and asks for their answer."""
        scope = answers.scope(matches)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Answer owners of {engagement}",
            "opts": self.opts,
            "scope": scope,
            "listed": scope.matches[:LISTED],
            "more": max(0, len(scope.matches) - LISTED),
            "engagement": engagement,
            "kinds": [choice for choice in OwnerMatch.Kind.choices if choice[0] != OwnerMatch.Kind.STUB],
            "ids": ",".join(str(match.pk) for match in scope.matches),
            "given": request.POST,
            "error": error,
        }
        return TemplateResponse(request, "admin/workbench/answer_owners.html", context, status=status)

    def answer_view(self, request: HttpRequest) -> HttpResponse:
        """Give the answer to exactly the owners that the page showed."""
        engagement = self._mine(request).filter(pk=request.POST.get("engagement") or 0).first()
        if engagement is None:
            raise Http404("There is no such engagement.")
        ids = [int(pk) for pk in request.POST.get("ids", "").split(",") if pk.isdecimal()]
        matches = OwnerMatch.objects.filter(engagement=engagement, pk__in=ids)
        answer = Answer(request.POST.get("kind", ""), request.POST.get("answer", ""), request.POST.get("note", ""))
        try:
            answers.give(engagement, matches, answer, by=cast(User, request.user), shown=request.POST.get("shown"))
        except WorkbenchError as error:
            return self.scope_page(request, engagement, matches, f"{error} {error.remedy}", 400)
        self._changed(request, engagement)
        messages.success(
            request, f"Answered {len(ids)} owner{'s' * (len(ids) != 1)} with {answer.name or 'no answer'}. It can be taken back."
        )
        return self._back(request)

    def take_back_view(self, request: HttpRequest, batch: uuid.UUID) -> HttpResponse:
        """Put back what one answer replaced, for all owners that it was given to."""
        match = OwnerMatch.objects.filter(engagement__in=self._mine(request), answers__batch=batch).select_related("engagement").first()
        if match is None:
            raise Http404("There are no such answers.")
        back, left = answers.take_back(match.engagement, batch, by=cast(User, request.user))
        self._changed(request, match.engagement)
        messages.success(request, f"Taken back for {back} owners; {left} were answered anew since and stay as they are.")
        return self._back(request)

    def _mine(self, request: HttpRequest) -> QuerySet[Engagement]:
        return workable_by(request.user)

    def _changed(self, request: HttpRequest, engagement: Engagement) -> None:
        request.__dict__.setdefault("touched_engagements", {})[engagement.pk] = engagement
        self.after_changes(request)

    def _back(self, request: HttpRequest) -> HttpResponse:
        return redirect(reverse("admin:mapping_ownermatch_changelist"))

    @display(description="source owner", ordering="source_owner", header=True)
    def shown_owner(self, match: OwnerMatch) -> tuple[str, str]:
        """The owner at the source; beneath, where an answer fails and why, or of an owner without one, whose names are likest."""
        found = getattr(match, "likest", None)
        remark = f"Perhaps {found[0]} ({found[1]} % alike)" if found else format_html_join("; ", "{}: {}", match.problems.items())
        return match.shown, remark

    @display(description="state", label={"open": "warning", "problem": "danger", "answered": "success"})
    def shown_state(self, match: OwnerMatch) -> tuple[str, str]:
        """State, coloured."""
        return match.state.value, str(match.state.label)

    @display(description="asked of", ordering="due_on")
    def asked_of(self, match: OwnerMatch) -> str:
        """Who is to answer, and by when."""
        return ", ".join(filter(None, (str(match.assignee or ""), f"due {match.due_on}" if match.due_on else "")))
