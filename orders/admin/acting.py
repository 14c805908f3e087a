"""One view for all staff actions: show the form, carry out what was posted, tell what became of it, note it.

A form is carried out once, however often it is posted: its commands and their keys follow from what it posts.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.views.decorators.http import require_http_methods

from accounts import trail
from accounts.admin_refusals import Forbidden
from accounts.models import TradingAccount
from copytrading.kernel.decimals import text
from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown
from copytrading.kernel.ids import account_of
from copytrading.kernel.rejections import Reason, Rejection
from orders.admin import live, refusals
from orders.admin.action_forms import ActionForm, BirthForm, CloseAllForm, FundsForm
from orders.admin.actions import ACTIONS, StaffAction
from orders.admin.links import account_url
from orders.answers import show_order
from orders.book.codec import encode
from orders.book.record import recorded_order
from orders.looking.account import order_in_book
from orders.messages import Command, Done
from orders.rules.facts import Order
from orders.verbs import carry_out
from orders.verbs.attempt import was_carried_out

_REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an action is taken: the account, and the order it is about, which can't be shown while the book is away."""

    look: live.Look
    order_id: str | None = None
    order: Order | None = None

    @property
    def subject(self) -> str:
        """What the audit log calls it."""
        return self.order_id or str(self.look.row.ref)


@require_http_methods(["GET", "HEAD", "POST"])
def act(
    request: HttpRequest, account_id: int, action: str, order_id: str | None = None, *, pages: "ModelAdmin[Any]"
) -> HttpResponse:
    """The form of an action. `pages` is the admin of the account's kind."""
    chosen = ACTIONS.get(action)
    if chosen is None or chosen.on_order != bool(order_id):
        raise Http404
    row: TradingAccount = get_object_or_404(pages.model.objects.select_related("owner", "group"), pk=account_id)
    if order_id and account_of(order_id) != row.ref:
        raise Http404
    if not chosen.may(request):
        raise Forbidden(chosen.name, order_id or str(row.ref))
    place = Place(live.look_at(row), order_id, _order(row, order_id) if order_id else None)
    form = chosen.form(place.look, place.order, request.POST if request.method == "POST" else None)
    sure = request.method == "POST" and form.is_valid() and _sure(request, place, form)
    if sure and _acted(request, chosen, place, form):
        return HttpResponseRedirect(account_url(row.ref))
    return _page(request, chosen, place, form, pages)


def _sure(request: HttpRequest, place: Place, form: ActionForm) -> bool:
    """False leads back to the form, which asks once more. What was carried out already is told, not asked again."""
    if not (isinstance(form, FundsForm) and form.doubt):
        return True
    asked = form.to_commands(_by(request, place, form))
    try:
        return all(was_carried_out(command) for command in asked)
    except LedgerUnavailable:
        return True  # the verb says so, and does nothing


def _order(row: TradingAccount, order_id: str) -> Order | None:
    """The order, or None while the book is away and the record has not got it."""
    try:
        found = order_in_book(row.ref, order_id) or recorded_order(order_id)
    except LedgerUnavailable:
        return recorded_order(order_id)
    if found is None:
        raise Http404
    return found


def _acted(request: HttpRequest, action: StaffAction, place: Place, form: ActionForm) -> bool:
    """Carries out each command of the form in turn. The first that is not done is shown at the form."""
    before = _before(action, place)
    told: list[Any] = []
    new, level = False, messages.SUCCESS
    for command in form.to_commands(_by(request, place, form)):
        outcome = _outcome(command)
        after = _after(outcome.answer) if isinstance(outcome, Done) else None
        _note(request, action, place, command, outcome, before, after)
        if isinstance(outcome, Rejection):
            _show_refusal(form, outcome, told)
            return False
        told.append(action.told(outcome.answer, place.look.currency))
        before, new = after, new or not outcome.replayed
        if not all(each["ok"] for each in outcome.answer.get("results", ())):
            level = messages.WARNING
    if not new:
        told.insert(0, "This form had been carried out before; nothing was done twice.")
    messages.add_message(request, level, format_html_join(" ", "{}", ((each,) for each in told)))
    return True


def _by(request: HttpRequest, place: Place, form: ActionForm) -> dict[str, Any]:
    """What every command says."""
    by = {
        "account": place.look.row.ref,
        "principal": _principal(request),
        "key": form.cleaned_data["key"],
        "staff": True,
        "reason": form.cleaned_data["reason"],
    }
    return {**by, "order_id": place.order_id} if place.order_id else by


def _outcome(command: Command) -> Done | Rejection:
    """What can't be told for sure is a refusal too, with a reason that says so."""
    try:
        return carry_out(command)
    except LedgerUnavailable as error:
        return Rejection(Reason.ledger_unavailable, str(error))
    except OutcomeUnknown as error:
        detail = "The ledger's reply was lost on the way."
        return Rejection(Reason.outcome_unknown, detail, facts={"command_id": error.command_id})


def _show_refusal(form: ActionForm, refused: Rejection, told: list[Any]) -> None:
    """At the form: what was done before it, what was refused and why, what to do, and which fields are meant."""
    reason, currency = refused.reason, form.look.currency
    facts = refusals.facts(refused, currency)
    form.refusal = {
        "done": told,
        "reason": reason.name,
        "detail": refusals.detail(refused, currency),
        "advice": refusals.advice(reason),
        "facts": {name.replace("_", " "): value for name, value in facts.items()},
        "nothing_done": reason is not Reason.outcome_unknown and not told,
    }
    for name, advice in refused.fields.items():
        if name in form.fields:
            form.add_error(name, refusals.in_words(advice))


def _before(action: StaffAction, place: Place) -> Any:
    seen = place.look.seen
    if action.on_order:
        return show_order(place.order) if place.order else None
    if seen is None or action.about == "order":
        return None
    if action.about == "terms":
        return encode(seen.state.config)
    portfolio = seen.state.portfolio
    return {"balance": text(portfolio.balance), "credit": text(portfolio.credit)}


def _after(answer: dict[str, Any]) -> Any:
    match answer:
        case {"order": order}:
            return order
        case {"after": config}:
            return config
        case {"balance": _, "credit": _}:
            return {name: answer[name] for name in ("balance", "credit", "destination", "state") if name in answer}
    return answer


def _note(
    request: HttpRequest, action: StaffAction, place: Place, command: Command, outcome: Done | Rejection,
    before: Any, after: Any,
) -> None:  # fmt: skip
    """What was repeated is told apart from what was done: nobody shall count a deposit twice."""
    ended = outcome.reason.name if isinstance(outcome, Rejection) else _ended(outcome)
    if ended == _REPLAYED:
        before = None
    trail.note(
        _principal(request), action.name, place.subject,
        outcome=ended, reason=command.reason, before=before, after=after,
    )  # fmt: skip


def _ended(done: Done) -> str:
    """Of several orders, how many: "0 of 3" is not done."""
    results = done.answer.get("results", ())
    count = sum(each["ok"] for each in results)
    if done.replayed:
        return _REPLAYED
    return trail.DONE if count == len(results) else f"{count} of {len(results)}"


def _principal(request: HttpRequest) -> str:
    return f"user:{request.user.pk}"


def _unfit(action: StaffAction, order: Order | None) -> list[live.Notice]:
    """Told before the form is filled in for nothing."""
    if order is None or order.status in action.statuses:
        return []
    wanted = " or ".join(action.statuses)
    return [live.Notice("warning", f"This order is {order.status} by now; only one that is {wanted} fits this form.")]


def _lines(place: Place, form: ActionForm) -> list[live.OrderLine]:
    """The orders the form is about."""
    if place.order:
        return [live.line_of(place.order, place.look)]
    listed = live.order_lines(place.look) if isinstance(form, CloseAllForm) else []
    return [line for line in listed if line.order.status == "OPEN"]


def _page(
    request: HttpRequest, action: StaffAction, place: Place, form: ActionForm, pages: "ModelAdmin[Any]"
) -> HttpResponse:
    row, seen = place.look.row, place.look.seen
    context = {
        "look": place.look,
        "figures": live.figures(place.look),
        "notices": [*_unfit(action, place.order), *live.notices(place.look)],
        "lines": _lines(place, form),
        "order": place.order,
        "order_id": place.order_id,
        "offers": live.offer_lines(seen) if seen and isinstance(form, BirthForm) else [],
        "action": action,
    }
    if "live" in request.GET:
        return TemplateResponse(request, "orders/act_beside.html", context)
    opts = pages.model._meta  # noqa: SLF001  as Django's own admin views do
    context |= {
        **pages.admin_site.each_context(request),
        "opts": opts,
        "original": row,
        "title": action.label,
        "form": form,
        "back": account_url(row.ref),
    }
    return TemplateResponse(request, "orders/act.html", context)
