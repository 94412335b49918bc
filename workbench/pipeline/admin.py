"""Admin pages of the sequence: the engagement with its stages, the steps, and the queue."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.admin import ModelAdmin
from unfold.decorators import display

from workbench.engagements.models import Engagement
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, WorkbenchAdmin
from workbench.pipeline.cockpit import CockpitAdmin
from workbench.pipeline.models import Step

admin.site.register(Engagement, CockpitAdmin)


@admin.register(Step)
class StepAdmin(ReadOnly, WorkbenchAdmin):
    """Steps that were asked for."""

    list_display = ("name", "engagement", "place", "shown_state", "message_or_progress", "requested_by", "queued_at")
    list_filter = (EngagementFilter, "name", "state")
    list_select_related = ("engagement", "environment__engagement")
    list_filter_submit = True

    @display(description="environment", ordering="environment")
    def place(self, step: Step) -> str:
        """Sandbox or production, where it is of one."""
        return step.environment.get_kind_display() if step.environment else "-"

    @display(description="message")
    def message_or_progress(self, step: Step) -> str:
        """Why it failed, or how far it is."""
        return step.message or step.progress or "-"

    @display(description="state", label={"queued": "info", "running": "info", "done": "success", "failed": "danger"}, ordering="state")
    def shown_state(self, step: Step) -> tuple[str, str]:
        """State, coloured."""
        return step.state, step.get_state_display()


class QueueAdmin(ModelAdmin):
    """Tasks, for superusers to look at: they belong to every engagement. Runs and steps are started on their own pages."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        return False


for model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class EndedAdmin(QueueAdmin):
    """Tasks that ended well (`success`) or failed."""

    success: bool
    list_display = ("name", "func", "started", "stopped", "attempt_count")
    search_fields = ("name", "func")
    fields = ("name", "func", "args", "started", "stopped", "attempt_count", "result")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Those of one kind."""
        return super().get_queryset(request).filter(success=self.success)


@admin.register(Failure)
class FailureAdmin(EndedAdmin):
    """Tasks that failed; deleting one clears it from the list."""

    success = False


@admin.register(Success)
class SuccessAdmin(EndedAdmin):
    """Tasks that are done."""

    success = True


@admin.register(OrmQ)
class QueuedAdmin(QueueAdmin):
    """Tasks that wait; empty where the queue is on Redis."""

    list_display = ("key", "task_name", "func", "lock")
    fields = ("key", "lock")

    @display(description="task")
    def task_name(self, row: OrmQ) -> str:
        """The task's name."""
        return row.name()

    @display(description="function")
    def func(self, row: OrmQ) -> str:
        """The function that it calls."""
        return row.func()
