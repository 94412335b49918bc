"""Admin pages of a rollback: asked for on a load's page, shown as a plan, begun by a word, followed live."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from loads.models import Chunk, Run
from workbench.engagements.errors import WorkbenchError

MOST_TEXT = 200_000  # characters of records that a page takes
PAGE = "admin/workbench/rollback.html"


class ScopeForm(forms.Form):
    """What of a load is to be taken back; nothing chosen: all of it."""

    records = forms.CharField(required=False, max_length=MOST_TEXT, widget=forms.Textarea(attrs={"class": "mw-field", "rows": 3}))

    def __init__(self, load: Run, *args: Any, **kwargs: Any) -> None:
        """Offer the tables and phases of the load of which something was sent."""
        super().__init__(*args, **kwargs)
        begun = Chunk.objects.filter(phase__run=load, attempts__gt=0).values("phase")
        phases = list(load.phases.filter(pk__in=begun).exclude(table="").order_by("number"))
        tables = [(name, name) for name in dict.fromkeys(phase.table for phase in phases)]
        numbers = [(str(phase.number), f"{phase.number}. {phase}") for phase in phases]
        boxes = forms.CheckboxSelectMultiple
        self.fields["tables"] = forms.MultipleChoiceField(choices=tables, required=False, widget=boxes)
        self.fields["phases"] = forms.MultipleChoiceField(choices=numbers, required=False, widget=boxes)


def ask(request: HttpRequest, load: Run, site: AdminSite) -> HttpResponse:
    """The page that asks what is to be taken back; posted, it opens the rollback and shows its plan."""
    from loads.rollback import open_rollback  # the engine loads on first use
    from loads.rollback.scope import Scope, parse_record

    form = ScopeForm(load, request.POST or None)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            records = tuple(parse_record(line) for line in chosen["records"].splitlines() if line.strip())
            scope = Scope(tuple(chosen["tables"]), tuple(int(number) for number in chosen["phases"]), records)
            run = open_rollback(load, request.user, scope)  # type: ignore[arg-type]
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
        else:
            messages.success(request, "The rollback is being planned; nothing is sent before you let it begin.")
            return redirect(reverse("admin:loads_run_change", args=[run.pk]))
    context = {"run": load, "opts": Run._meta, "form": form, "title": f"Roll back {load}"}
    return TemplateResponse(request, "admin/workbench/rollback_ask.html", {**site.each_context(request), **context})


def begin(run: Run, request: HttpRequest) -> None:
    """Let a planned rollback begin; into production only where the page's word was written. Raises WorkbenchError."""
    from loads.rollback import agree  # the engine loads on first use
    from workbench.engagements.errors import BadInput

    if request.POST.get("word", "").strip().casefold() != word_of(run).casefold():
        raise BadInput(f"To begin, write the word {word_of(run)}.", remedy="Nothing was sent.")
    agree(run, request.user)  # type: ignore[arg-type]


def word_of(run: Run) -> str:
    """What a person writes to let it begin."""
    return str(run.environment.get_kind_display())


def page(run: Run) -> dict[str, Any]:
    """What a rollback's page shows beside what every run's page does."""
    from loads.rollback import outlook  # the engine loads on first use

    planned = outlook.lines(run)
    found = [line for line in planned if any(line.counts)]
    return {
        "lines": found,
        "idle": len(planned) - len(found),
        "outlook": outlook.content(run) if run.measured_at else None,
        "scope": outlook.Scope.of(run.scope).words(),
        "waits": run.measured_at is not None and run.agreed_at is None and run.state == Run.State.PAUSED,
        "word": word_of(run),
        "row_names": ["Removed", "Restored", "Kept", "Refused"],
    }
