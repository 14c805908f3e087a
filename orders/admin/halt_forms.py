"""What a person fills in to halt trading, and to go on."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Group, Instrument
from copytrading.kernel import clock
from copytrading.kernel.rejections import Rejection
from orders.rules.halts import Halt

LONGEST_REASON = 200
_OPENS = "opens"
_EVERYTHING = "everything"


class HaltForm(forms.Form):
    scope = forms.ChoiceField(label="What is halted", widget=UnfoldAdminSelectWidget())
    extent = forms.ChoiceField(
        label="How far",
        choices=(
            (_OPENS, "Opening only: new positions and orders are refused; closing, stops and take profits go on"),
            (_EVERYTHING, "Everything: closing, stops and take profits too; cancelling an order stays possible"),
        ),
        initial=_OPENS,
        widget=UnfoldAdminRadioSelectWidget(),
    )
    reason = forms.CharField(
        label="Reason",
        max_length=LONGEST_REASON,
        help_text="Traders read it in every refusal, and the audit log keeps it.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    until = forms.DateTimeField(
        label="Ends by itself at (UTC)",
        required=False,
        input_formats=["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M"],
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "placeholder": "YYYY-MM-DD HH:MM"}),
        error_messages={"invalid": "Write date and time in UTC, such as 2026-01-31 18:00."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scope: Any = self.fields["scope"]
        scope.choices = _scopes()
        self.fields["until"].help_text = f"Empty: until somebody lifts it. It is {clock.now():%Y-%m-%d %H:%M} UTC now."

    def halt(self) -> Halt:
        """As it was filled in, once valid."""
        said = self.cleaned_data
        until_ms = clock.to_ms(said["until"]) if said["until"] else 0
        return Halt(said["scope"], said["extent"] == _OPENS, said["reason"], until_ms)

    def refuse(self, refused: Rejection) -> None:
        """Shows a refusal of the verb where it belongs."""
        for name, advice in refused.fields.items():
            self.add_error(name if name in self.fields else None, advice)
        if not refused.fields:
            self.add_error(None, f"{refused.detail}. {refused.reason.advice}")


class LiftForm(forms.Form):
    reason = forms.CharField(
        label="Reason",
        max_length=LONGEST_REASON,
        help_text="Why trading may go on; the audit log keeps it.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


def name_of(scope: str) -> str:
    """A scope as people say it."""
    kind, _, name = scope.partition(":")
    return {"platform": "The whole platform", "group": f"Group {name}"}.get(kind, name)


def _scopes() -> list[Any]:
    """Everything that exists and can be halted."""
    groups = Group.objects.order_by("name").values_list("name", flat=True)
    offered = Instrument.objects.filter(groups__isnull=False).distinct().order_by("symbol")
    return [
        ("", "Choose ..."),
        ("platform", "The whole platform"),
        ("Groups", [(f"group:{name}", f"Group {name}") for name in groups]),
        ("Instruments", [(f"instrument:{symbol}", symbol) for symbol in offered.values_list("symbol", flat=True)]),
    ]
