"""Pages that ask why, and whatever else an act takes, before it is done."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from accounts.admin.reasons import ReasonField


class WhyForm(forms.Form):
    why = ReasonField()


def ask(page: ModelAdmin, request: HttpRequest, form: forms.Form, title: str, label: str) -> HttpResponse:
    """A page that asks for what an act takes. What an act on a list chose there is posted with it."""
    chosen = [(name, value) for name in ("action", ACTION_CHECKBOX_NAME) for value in request.POST.getlist(name)]
    context = {**page.admin_site.each_context(request), "opts": page.opts, "form": form, "title": title}
    return TemplateResponse(request, "accounts/ask.html", context | {"label": label, "chosen": chosen})


def done_for_a_reason(
    page: ModelAdmin, request: HttpRequest, title: str, label: str, act: Callable[[str], str]
) -> HttpResponse:
    """Asks why, then does `act`, which says what came of it, and goes back to the list."""
    form = WhyForm(request.POST if "why" in request.POST else None)
    if not form.is_valid():
        return ask(page, request, form, title, label)
    with transaction.atomic():
        messages.success(request, act(form.cleaned_data["why"]))
    opts = page.opts
    return HttpResponseRedirect(reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"))
