"""The halt switches: what is halted now, as the ledger says, and the record of every halt there was.

Dealers and administrators set and lift halts here, with a reason; everyone on the staff looks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import BigIntegerField, Case, CharField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Cast, Substr
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.admin.access import ReadOnly, deals
from accounts.models import Halt, User
from accounts.once import once
from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable
from orders.admin.halt_forms import HaltForm, LiftForm, name_of
from orders.book.connection import ReplyLost, glance_ledger
from orders.rules import halts as rules
from orders.verbs import halt as halts

_AWAY = (LedgerUnavailable, ReplyLost, redis.RedisError)
_STATE_COLOURS = {"in force": "danger", "not in force": "warning", "unknown": "warning"}
_NOT_ANSWERED = (
    "The ledger did not answer, so it is not known whether this was done ({error}). "
    "Look at what is halted now before you try again."
)


@admin.register(Halt)
class HaltAdmin(ReadOnly, ModelAdmin):
    """The list below is the record; the list above it, and every switch, is the ledger."""

    list_before_template = "halts/in_force.html"
    list_display = (
        "shown_scope", "state", "halted", "reason", "shown_set_by", "set_at", "until", "shown_lifted_by", "lifted_at",
    )  # fmt: skip
    list_filter = (("lifted_at", admin.EmptyFieldListFilter), "opens_only")
    search_fields = ("scope", "reason")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Halt]:
        rows = super().get_queryset(request).annotate(setter=_user_id("set_by"), lifter=_user_id("lifted_by"))
        return rows.annotate(state=_state(), set_by_name=_username("setter"), lifted_by_name=_username("lifter"))

    def get_custom_urls(self) -> tuple[tuple[str, str, Any], ...]:
        return (("lift/", "accounts_halt_lift", self.lift_view),)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        shown = {"title": "Trading halts", "may_halt": deals(request), **self._in_force(request)}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    @once()
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Sets a halt. What the verb refuses comes back as errors of the form."""
        if not deals(request):
            raise PermissionDenied
        form = HaltForm(request.POST or None, initial={"scope": request.GET.get("scope", "")})
        if form.is_valid():
            halt = form.halt()
            with _answers(request):
                refused = halts.halt(halt, _principal(request))
                if refused is None:
                    messages.success(request, f"{name_of(halt.scope)}: {_what(halt.opens_only)} is halted.")
                    return self._to_list()
                form.refuse(refused)
        return self._form(request, form, "Halt trading", "Halt now")

    @once()
    def lift_view(self, request: HttpRequest, model_admin: Any = None) -> HttpResponse:
        if not deals(request):
            raise PermissionDenied
        scope = request.GET.get("scope", "")
        form = LiftForm(request.POST or None)
        if form.is_valid():
            with _answers(request):
                if halts.lift(scope, _principal(request), form.cleaned_data["reason"]):
                    messages.success(request, f"{name_of(scope)}: the halt is lifted.")
                else:
                    messages.warning(request, f"{name_of(scope)} is not halted any more; nothing was done.")
                return self._to_list()
        return self._form(request, form, f"Lift the halt of {name_of(scope)}", "Lift now", scope)

    @display(description="what", ordering="scope")
    def shown_scope(self, halt: Halt) -> str:
        return name_of(halt.scope)

    @display(description="state", ordering="state", label=_STATE_COLOURS)
    def state(self, halt: Any) -> str:
        return halt.state

    @display(description="halted", ordering="opens_only")
    def halted(self, halt: Halt) -> str:
        return _what(halt.opens_only)

    @display(description="set by", ordering="set_by")
    def shown_set_by(self, halt: Any) -> str:
        return halt.set_by_name or halt.set_by

    @display(description="lifted by", ordering="lifted_by", empty_value="")
    def shown_lifted_by(self, halt: Any) -> str:
        return halt.lifted_by_name or halt.lifted_by

    def _in_force(self, request: HttpRequest) -> dict[str, Any]:
        """The ledger's halts, each with what the record knows of who set it and when."""
        try:
            standing = halts.in_force(glance_ledger())
        except _AWAY:
            return {"ledger_away": True}
        recorded = {_recorded_halt(row): row for row in self.get_queryset(request).filter(lifted_at=None)}
        return {"in_force": [_row(halt, recorded.get(halt)) for halt in standing]}

    def _form(self, request: HttpRequest, form: Any, title: str, button: str, scope: str = "") -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            **self._in_force(request),
            "title": title,
            "model_admin": self,
            "form": form,
            "button": button,
            "scope": scope,
            "list_url": reverse("admin:accounts_halt_changelist"),
        }
        return TemplateResponse(request, "halts/form.html", context)

    def _to_list(self) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:accounts_halt_changelist"))


@contextmanager
def _answers(request: HttpRequest) -> Iterator[None]:
    """Tells the person when the ledger did not answer, and goes on after the block."""
    try:
        yield
    except LedgerUnavailable as error:
        messages.error(request, f"Nothing was done: {error}.")
    except (ReplyLost, redis.RedisError) as error:
        messages.error(request, _NOT_ANSWERED.format(error=error))


def _principal(request: HttpRequest) -> str:
    return f"user:{request.user.pk}"


def _what(opens_only: bool) -> str:
    return "opening" if opens_only else "everything"


def _row(halt: rules.Halt, recorded: Any) -> dict[str, Any]:
    return {
        "name": name_of(halt.scope),
        "scope": halt.scope,
        "halted": _what(halt.opens_only),
        "everything": not halt.opens_only,
        "reason": halt.reason,
        "until": clock.from_ms(halt.until_ms) if halt.until_ms else None,
        "recorded": recorded,
        "lift_url": f"{reverse('admin:accounts_halt_lift')}?{urlencode({'scope': halt.scope})}",
    }


def _recorded_halt(row: Halt) -> rules.Halt:
    return rules.Halt(row.scope, row.opens_only, row.reason, clock.to_ms(row.until) if row.until else 0)


def _state() -> Case:
    """Of a recorded halt: whether the ledger has this very one, unless the record knows that it is over."""
    over = (When(lifted_at__isnull=False, then=Value("lifted")), When(until__lte=clock.now(), then=Value("ended")))
    try:
        standing = halts.in_force(glance_ledger())
    except _AWAY:
        return Case(*over, default=Value("unknown"), output_field=CharField())
    here = [When(_is(halt), then=Value("in force")) for halt in standing]
    return Case(*over, *here, default=Value("not in force"), output_field=CharField())


def _is(halt: rules.Halt) -> Q:
    until = clock.from_ms(halt.until_ms) if halt.until_ms else None
    return Q(scope=halt.scope, opens_only=halt.opens_only, reason=halt.reason, until=until)


def _user_id(column: str) -> Case:
    """Of the principal in `column`, if that is a user: "user:3"."""
    number = Cast(Substr(column, 6), BigIntegerField())
    return Case(When(**{f"{column}__regex": "^user:[0-9]{1,18}$"}, then=number), output_field=BigIntegerField())


def _username(column: str) -> Subquery:
    return Subquery(User.objects.filter(pk=OuterRef(column)).values("username")[:1])
