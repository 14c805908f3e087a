"""The forms of the staff actions: what is typed becomes commands. Shape only; whether it may be done is asked later.

The same strict fields read it as read the API's bodies, so a number is refused here in the same words.
"""

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar, Literal

from django import forms
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.api import fields as api
from accounts.models import AccountStatus, Group, GroupInstrument, Routing
from copytrading.kernel import decimals
from copytrading.kernel.decimals import ZERO
from copytrading.kernel.ids import DEMO, AccountRef
from orders.admin import form_fields, shown
from orders.admin.form_fields import MomentField, NumberField, StrictFormField
from orders.admin.live import Look
from orders.messages import (
    CancelPending,
    CloseAll,
    CloseOrder,
    Command,
    Configure,
    ModifyPending,
    MoneyKind,
    MoveMoney,
    OpenOrder,
    PlacePending,
    Protect,
    TransferBetween,
)
from orders.rules.facts import MARKET_TYPES, PENDING_TYPES, Order

REASON_LENGTH = 200
#: A sum above both this, in account currency, and what the account has is asked for once more.
MOVED_UNASKED = Decimal(100_000)

_UNCHANGED = "Nothing is changed: what stands here is what holds already."
_LEVELS = ("stop_loss", "take_profit")


class ActionForm(forms.Form):
    """What every action asks: why. `key` is made when the form is shown, so that one form is carried out once.

    A command is a function of what was posted alone, or the same key would come with another body.
    """

    key = StrictFormField(api.IdempotencyKeyField(), widget=forms.HiddenInput())
    reason = StrictFormField(
        api.TextField(max_length=REASON_LENGTH),
        label="Reason",
        help_text="Why you do this, in your words. The journal and the audit log keep it.",
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off", "maxlength": str(REASON_LENGTH)}),
    )

    #: What to show of a refusal of what was posted.
    refusal: dict[str, Any] | None = None

    def __init__(self, look: Look, order: Order | None, data: Any = None) -> None:
        self.look = look
        self.order = order
        initial = {"key": uuid.uuid4().hex, **self.begin()}
        super().__init__(data, initial=initial, label_suffix="")
        self.fields["reason"] = self.fields.pop("reason")  # last, after what it is the reason for
        self.offer()

    def begin(self) -> dict[str, Any]:
        """The values the form is shown with."""
        return {}

    def offer(self) -> None:
        """Fills the lists to choose from."""

    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        """What is to be done, in this order. `by` says who asks, why, of what, and with which key."""
        raise NotImplementedError

    def choices(self, name: str, listed: Iterable[tuple[str, str]]) -> None:
        widget = self.fields[name].widget
        assert isinstance(widget, forms.Select)
        widget.choices = list(listed)


class BirthForm(ActionForm):
    """An order to be born."""

    symbol = form_fields.symbol()

    def offer(self) -> None:
        group = self.look.seen.state.config.group if self.look.seen else self.look.row.group_id
        offered = GroupInstrument.objects.filter(group_id=group).order_by("instrument_id")
        symbols = offered.values_list("instrument_id", flat=True)
        self.choices("symbol", [("", "Choose ..."), *((each, each) for each in symbols)])
        own = self.look.seen.state.config.sending_orders if self.look.seen else self.look.row.sending_orders
        others = [choice for choice in Routing.choices if choice[0]]
        self.choices("sending_orders", [("", f"As the account: {Routing(own).label}"), *others])


class OpenForm(BirthForm):
    order_type = form_fields.choice(MARKET_TYPES, "Side")
    order_quantity = form_fields.lots()
    stop_loss = form_fields.level("Stop loss", help_text="Optional.")
    take_profit = form_fields.level("Take profit", help_text="Optional.")
    sending_orders = form_fields.routing()

    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        asked = self.cleaned_data
        return [
            OpenOrder(
                **by,
                symbol=asked["symbol"],
                order_type=asked["order_type"],
                lots=asked["order_quantity"],
                stop_loss=asked["stop_loss"],
                take_profit=asked["take_profit"],
                sending_orders=asked["sending_orders"],
            )
        ]


class PlaceForm(BirthForm):
    order_type = form_fields.choice(PENDING_TYPES, "Type")
    order_quantity = form_fields.lots()
    order_price = form_fields.price("Price", "The client's price at which it fires.")
    stop_loss = form_fields.level("Stop loss", help_text="Optional.")
    take_profit = form_fields.level("Take profit", help_text="Optional.")
    expires_at = MomentField(label="Expires at (UTC)", required=False, help_text="Empty: it rests until cancelled.")
    sending_orders = form_fields.routing()

    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        asked = self.cleaned_data
        return [
            PlacePending(
                **by,
                symbol=asked["symbol"],
                order_type=asked["order_type"],
                lots=asked["order_quantity"],
                order_price=asked["order_price"],
                stop_loss=asked["stop_loss"],
                take_profit=asked["take_profit"],
                expires_at_ms=asked["expires_at"] or 0,
                sending_orders=asked["sending_orders"],
            )
        ]


class ChangeForm(ActionForm):
    """Shows what holds now and asks for what is to be different. What was shown is posted with it, and the
    difference is taken from that, not from what holds by then: pressing twice asks for the same.
    """

    changeable: ClassVar[tuple[str, ...]]

    def clean(self) -> dict[str, Any]:
        if not self.errors and not self.changes():
            raise forms.ValidationError(_UNCHANGED)
        return self.cleaned_data

    def changes(self) -> dict[str, Any]:
        asked = self.cleaned_data
        return {name: asked[name] for name in self.changeable if name in self.changed_data and name in asked}


class ModifyForm(ChangeForm):
    order_price = form_fields.price("Price", show_hidden_initial=True)
    order_quantity = form_fields.lots(show_hidden_initial=True)
    stop_loss = form_fields.level("Stop loss", show_hidden_initial=True)
    take_profit = form_fields.level("Take profit", show_hidden_initial=True)
    expires_at = MomentField(
        label="Expires at (UTC)", required=False, show_hidden_initial=True, help_text="Empty: it rests until cancelled."
    )
    changeable = ("order_price", "order_quantity", *_LEVELS, "expires_at")

    def begin(self) -> dict[str, Any]:
        order = self.order
        if order is None:
            return {}
        levels = {"stop_loss": order.stop_loss, "take_profit": order.take_profit}
        price = {"order_price": order.order_price, "order_quantity": order.lots}
        return {**price, **levels, "expires_at": order.expires_at_ms or None}

    def clean(self) -> dict[str, Any]:
        asked = super().clean()
        for name in _LEVELS:
            if name in self.changes() and asked.get(name) is None:
                self.add_error(name, "A level is taken away by Set stops, not here.")
        return asked

    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        changes = self.changes()
        return [
            ModifyPending(
                **by,
                order_price=changes.get("order_price"),
                lots=changes.get("order_quantity"),
                stop_loss=changes.get("stop_loss"),
                take_profit=changes.get("take_profit"),
                expires_at_ms=(changes["expires_at"] or 0) if "expires_at" in changes else None,
            )
        ]


class StopsForm(ChangeForm):
    """Two levels are two commands, each with a key of its own."""

    stop_loss = form_fields.level("Stop loss", show_hidden_initial=True, help_text="Empty: there is none.")
    take_profit = form_fields.level("Take profit", show_hidden_initial=True, help_text="Empty: there is none.")
    changeable = _LEVELS

    def begin(self) -> dict[str, Any]:
        return {name: getattr(self.order, name) for name in _LEVELS} if self.order else {}

    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        changes = self.changes()
        return [
            Protect(**{**by, "key": f"{by['key']}:{kind}"}, kind=kind, level=changes[kind])
            for kind in ("stop_loss", "take_profit")
            if kind in changes
        ]


class CloseForm(ActionForm):
    order_quantity = form_fields.lots("Empty: all that is open.", required=False)

    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        return [CloseOrder(**by, lots=self.cleaned_data["order_quantity"])]


class CloseAllForm(ActionForm):
    symbol = StrictFormField(
        api.SymbolField(), label="Instrument", required=False, widget=UnfoldAdminSelectWidget(),
        help_text="Resting orders are not touched.",
    )  # fmt: skip

    def offer(self) -> None:
        held = sorted(self.look.seen.state.portfolio.exposures) if self.look.seen else []
        self.choices("symbol", [("", "All instruments"), *((each, each) for each in held)])

    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        return [CloseAll(**by, symbol=self.cleaned_data["symbol"])]


class CancelForm(ActionForm):
    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        return [CancelPending(**by)]


class FundsForm(ActionForm):
    """Money. A sum that looks like a slip of the pen is asked for once more; only a tick for this very sum confirms."""

    confirm = forms.CharField(required=False, widget=forms.HiddenInput())
    into: ClassVar[Literal["balance", "credit"]] = "balance"
    #: Whether the amount is added, whatever there is. To take out more than there is, is refused by the verb.
    adds: ClassVar[bool] = False

    @property
    def doubt(self) -> str:
        """What it would make of the account, if that has to be confirmed."""
        asked = getattr(self, "cleaned_data", {}).get("amount")
        if not self.adds or asked is None or self.look.seen is None or self._confirms(asked):
            return ""
        before: Decimal = getattr(self.look.seen.state.portfolio, self.into)
        after = before + asked
        if after >= min(before, ZERO) and abs(asked) <= max(before, MOVED_UNASKED):
            return ""
        was, becomes = (shown.amount(figure, self.look.digits) for figure in (before, after))
        return f"{self.into.capitalize()} {was} → {becomes} {self.look.currency}."

    @property
    def standing(self) -> str:
        """What there is now."""
        if self.look.seen is None:
            return ""
        money = self.look.seen.state.portfolio
        balance, credit = (shown.amount(each, self.look.digits) for each in (money.balance, money.credit))
        return f"Balance now {balance} {self.look.currency}, credit {credit} {self.look.currency}."

    @property
    def sum_to_confirm(self) -> str:
        return decimals.text(self.cleaned_data["amount"])

    def _confirms(self, asked: Decimal) -> bool:
        return self.cleaned_data.get("confirm") == decimals.text(asked)


class MoneyForm(FundsForm):
    kind: ClassVar[MoneyKind]

    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        return [MoveMoney(**by, kind=self.kind, amount=self.cleaned_data["amount"])]


class DepositForm(MoneyForm):
    kind = "deposit"
    adds = True
    amount = form_fields.amount("Comes from the broker's bank account and is added to the balance.")


class WithdrawalForm(MoneyForm):
    kind = "withdrawal"
    amount = form_fields.amount("Goes to the broker's bank account; at most what is withdrawable.")


class CorrectionForm(MoneyForm):
    kind = "correction"
    adds = True
    amount = form_fields.amount(
        "Added to the balance; a negative amount, such as -12.50, is taken from it.", sign="any"
    )


class CreditInForm(MoneyForm):
    kind = "credit_in"
    into = "credit"
    adds = True
    amount = form_fields.amount("Added to the credit, which carries positions and is never paid out.")


class CreditOutForm(MoneyForm):
    kind = "credit_out"
    amount = form_fields.amount("Taken from the credit; at most what there is.")


class TransferForm(FundsForm):
    destination = form_fields.DestinationField(
        label="To account", help_text="Its number (L10000017) or live:17. It must have the same currency.",
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )  # fmt: skip
    amount = form_fields.amount("At most what is withdrawable.")

    def clean_destination(self) -> AccountRef:
        destination: AccountRef = self.cleaned_data["destination"]
        if (destination.kind == DEMO) != (self.look.row.kind == DEMO):
            raise forms.ValidationError("Play money of a demo account and real money can't be exchanged.")
        return destination

    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        asked = self.cleaned_data
        return [TransferBetween(**by, destination=asked["destination"], amount=asked["amount"])]


class TermsForm(ChangeForm):
    """Shows the book's settings, or the record's while the book is away."""

    def begin(self) -> dict[str, Any]:
        row, seen = self.look.row, self.look.seen
        held: Any = seen.state.config if seen else row
        group = seen.state.config.group if seen else row.group_id
        values = {"group": group, "leverage": held.leverage, "sending_orders": held.sending_orders}
        return {**values, "status": held.status}

    def to_commands(self, by: dict[str, Any]) -> list[Command]:
        return [Configure(**by, **self.changes())]


class StatusForm(TermsForm):
    status = StrictFormField(
        api.ChoiceField(AccountStatus.values), label="Status", show_hidden_initial=True,
        widget=UnfoldAdminRadioSelectWidget(choices=AccountStatus.choices),
        help_text="Binds what the owner asks for. Triggers, stop-out and staff always go through.",
    )  # fmt: skip
    changeable = ("status",)


class ConfigureForm(TermsForm):
    group = StrictFormField(
        api.TextField(max_length=32), label="Group", show_hidden_initial=True, widget=UnfoldAdminSelectWidget(),
        help_text="Must trade the account's currency and offer whatever it has now.",
    )  # fmt: skip
    leverage = NumberField(
        api.PlainDecimalField(max_digits=4, max_decimals=0), label="Leverage", show_hidden_initial=True,
        help_text="1 to 5000. Counts for new orders only.",
    )  # fmt: skip
    sending_orders = StrictFormField(
        api.RoutingField(), label="Routing", required=False, show_hidden_initial=True,
        widget=UnfoldAdminSelectWidget(choices=Routing.choices),
        help_text="Where new orders go. Orders that live already keep the flow they were born with.",
    )  # fmt: skip
    changeable = ("group", "leverage", "sending_orders")

    def offer(self) -> None:
        self.choices("group", [(name, name) for name in Group.objects.order_by("name").values_list("name", flat=True)])

    def changes(self) -> dict[str, Any]:
        changes = super().changes()
        if "leverage" in changes:
            changes["leverage"] = int(changes["leverage"])
        if "sending_orders" in changes:
            changes["sending_orders"] = changes["sending_orders"] or ""
        return changes
