"""What the clock starts: administrators say when; what a task does is code's."""

from typing import Any

from celery import current_app
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.decorators import display

from accounts.admin.access import ByRole, configures, moment
from accounts.admin.reasons import Noted

admin.site.unregister([ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule])


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ByRole, Noted):
    noted_as = "task"
    unnoted = frozenset({"last_run_at", "total_run_count", "date_changed"})
    list_display = ("name", "enabled", "when", moment("last_run_at", "last started"), "total_run_count", "does")
    fieldsets = (
        (None, {"fields": ("name", "does", "enabled")}),
        ("When", {"fields": ("crontab", "interval"), "description": "One of the two: at times, or every so often."}),
        ("So far", {"fields": ("last_run_at", "total_run_count")}),
    )
    readonly_fields = ("name", "does", "last_run_at", "total_run_count")
    ordering = ("name",)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return configures(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return configures(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Celery's own housekeeping is nothing to look at."""
        tasks = super().get_queryset(request).exclude(task__startswith="celery.")
        return tasks.select_related("interval", "crontab")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        return super().formfield_for_foreignkey(
            db_field, request, **{**options, "help_text": "Empty if the other is set."}
        )

    @display(description="does")
    def does(self, task: PeriodicTask) -> str:
        current_app.loader.import_default_modules()
        known = current_app.tasks.get(task.task)
        return (known.__doc__ or "").strip() if known else f"{task.task}, which this version does not have"

    @display(description="when")
    def when(self, task: PeriodicTask) -> str:
        return str(task.crontab.human_readable if task.crontab else task.interval)


class ScheduleAdmin(ByRole, Noted):
    """Reached from a periodic task, to give it a time or an interval of its own."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return configures(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(ScheduleAdmin):
    noted_as = "crontab"
    fields = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone")


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ScheduleAdmin):
    noted_as = "interval"
    fields = ("every", "period")
