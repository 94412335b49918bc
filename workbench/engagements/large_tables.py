"""Lists of the admin over tables that grow with the records: a part of a table at a time, paged by primary key, nothing counted whole."""

from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.db.models import F, Field, Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.contrib.filters.admin import DropdownFilter, FieldTextFilter
from unfold.views import ChangeList

from workbench.engagements import keyset
from workbench.engagements.access import workable_by
from workbench.engagements.scoped_admin import WorkbenchAdmin


class PagesByKey(ChangeList):
    """The list of a LargeTable. Its filters narrow a part of the table whose rows an index gives in order."""

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and say how much there is as far as that is cheap."""
        page = keyset.read(self.queryset, request.GET.get(PAGE_VAR, ""), self.list_per_page, self._within())
        self.result_list = page.rows
        # Where it isn't known how many there are, those on the page are all that an action can be asked for.
        self.result_count = page.count if page.is_counted else len(page.rows)
        self.full_result_count, self.show_full_result_count = self.result_count, False
        self.show_admin_actions, self.can_show_all, self.multi_page = True, False, False
        self.page, self.paginator = page, Beside()

    def _within(self) -> QuerySet | None:
        """The part of the table, where no index holds what the list is narrowed by besides; None where an index answers."""
        page = self.model_admin
        part = self.params.get(page.part_parameter)
        filters = {name for name, value in self.params.items() if value} - {page.part_parameter, SEARCH_VAR}
        by_index = page.search_is_indexed if self.query else not filters
        return None if by_index or not part else self.model._default_manager.filter(**{page.part: part})

    @property
    def newer_link(self) -> str:
        """The address of the page before, '' on the first one."""
        return self.get_query_string({PAGE_VAR: self.page.newer}) if self.page.newer else ""

    @property
    def older_link(self) -> str:
        """The address of the page after, '' on the last one."""
        return self.get_query_string({PAGE_VAR: self.page.older}) if self.page.older else ""

    @property
    def for_all(self) -> tuple[str, str] | None:
        """What can be done with all rows that the filters leave, on whatever page, and the address where it is shown first."""
        if self.model_admin.for_all is None:
            return None
        label, view = self.model_admin.for_all
        return label, f"{reverse(view)}{self.get_query_string(remove=[PAGE_VAR])}"

    @property
    def newest_link(self) -> str:
        """The address of the first page."""
        return self.get_query_string()


class Beside:
    """Tells the list's page which template leads to the pages beside it."""

    template_name = "admin/workbench/pages_beside.html"


class LargeTable(WorkbenchAdmin):
    """A list over millions of rows, newest first. It opens on one part of the table, such as a run; an index holds (part, primary key).

    part: the foreign key that says which part a row is of. search_is_indexed: whether an index answers every search of a part.
    for_all: what can be done with all rows that the filters leave, and the name of its page, which gets the list's address.
    Columns can't be sorted by, and filters offer no values that would have to be looked for in the table.
    """

    part = "run"
    search_is_indexed = True
    for_all: tuple[str, str] | None = None
    ordering = ("-pk",)
    sortable_by = ()
    show_facets = ShowFacets.NEVER
    show_full_result_count = False

    @property
    def part_parameter(self) -> str:
        """What the list's address names the part by."""
        return f"{self.part}__id__exact"

    def parts(self, request: HttpRequest) -> QuerySet:
        """The parts that the engineer may see, the one with the newest row first."""
        rows = self.model._default_manager.filter(**{self.part: OuterRef("pk")}).order_by("-pk")
        newest = Subquery(rows.values("pk")[:1])
        return self._visible(request).annotate(newest_row=newest).order_by(F("newest_row").desc(nulls_last=True), "-pk")

    def _visible(self, request: HttpRequest) -> QuerySet:
        parts: type[Model] = self.opts.get_field(self.part).related_model  # type: ignore[assignment]
        path = self.engagement_path.removeprefix(self.part).removeprefix("__")
        return parts._default_manager.filter(**{f"{path or 'pk'}__in": workable_by(request.user).values("pk")}).order_by()

    def limited(self, request: HttpRequest, rows: QuerySet) -> QuerySet:
        """Rows of the parts that the engineer may see, without a join that a database might begin with."""
        return rows.filter(**{f"{self.part}__in": self._visible(request).values("pk")})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Pages by key."""
        return PagesByKey

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Searches of no part in particular name all parts, so that the index of a part answers."""
        text = search_term.strip()
        if not text:
            return queryset, False
        if not request.GET.get(self.part_parameter):
            queryset = queryset.filter(**{f"{self.part}__in": list(self._visible(request).values_list("pk", flat=True))})
        return self.search(queryset, text), False

    def search(self, rows: QuerySet, text: str) -> QuerySet:
        """The rows of a source id, written whole."""
        return rows.filter(source_id=text)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list of a part; of the first one where none was asked for."""
        asked = request.GET.get(self.part_parameter) or (self.search_is_indexed and request.GET.get(SEARCH_VAR))
        first = None if asked or request.method != "GET" else self.parts(request).values_list("pk", flat=True).first()
        if first is None:
            return super().changelist_view(request, extra_context)
        query = request.GET.copy()
        query[self.part_parameter] = str(first)
        return redirect(f"{request.path}?{query.urlencode()}")


class PartFilter(DropdownFilter):
    """Which part of the table a list shows, of those that the engineer may see."""

    all_option = None

    def __init__(self, request: HttpRequest, params: dict[str, list[str]], model: type[Model], model_admin: Any) -> None:
        """Named as the part is."""
        self.title, self.parameter_name = model_admin.part, model_admin.part_parameter
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[int, str]]:
        """Id and name of each."""
        return [(part.pk, str(part)) for part in model_admin.parts(request)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Rows of the part."""
        value = self.value()
        return queryset.filter(**{self.parameter_name or "": value}) if value and value.isdecimal() else queryset


class ExactFilter(FieldTextFilter):
    """A value, written whole: no values are looked for, and an index may answer."""

    def __init__(self, field: Field, request: HttpRequest, params: dict, model: type[Model], model_admin: Any, field_path: str) -> None:
        """By equality in place of a part of the text."""
        super().__init__(field, request, params, model, model_admin, field_path)
        self.lookup_kwarg, self.lookup_val = field_path, self.used_parameters.get(field_path)

    def expected_parameters(self) -> list[str | None]:
        """The field's own name."""
        return [self.field_path]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Rows with the value; all where none is written."""
        return queryset.filter(**{self.field_path: self.value()}) if self.value() else queryset
