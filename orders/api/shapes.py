"""What answers look like, for the description of the API. The answers themselves are made by `orders/answers.py` and
the views; tests hold both together."""

from typing import Any

from rest_framework import serializers

from copytrading.kernel import ids
from orders.rules.facts import MARKET_TYPES, PENDING_TYPES
from orders.rules.lifecycle import LIVE, TERMINAL


def amount(*, null: bool = False, told: str = "") -> serializers.CharField:
    """A decimal string."""
    pattern = r"^-?[0-9]+(\.[0-9]+)?$"
    return serializers.RegexField(pattern, allow_null=null, help_text=told)


def moment(*, null: bool = False, told: str = "") -> serializers.DateTimeField:
    return serializers.DateTimeField(allow_null=null, help_text=told)


class Shape(serializers.Serializer[Any]):
    """Part of an answer. Fields may be added."""


class Account(Shape):
    user_type = serializers.ChoiceField(list(ids.KINDS))
    user_id = serializers.IntegerField()
    account_number = serializers.CharField()
    group = serializers.CharField()
    leverage = serializers.IntegerField()
    currency = serializers.CharField()
    status = serializers.CharField()
    sending_orders = serializers.CharField(allow_blank=True, help_text="rock, barclays or empty: the kind's default.")
    margin_called = serializers.BooleanField()
    balance = amount()
    credit = amount()
    used_margin = amount()
    reserved_margin = amount(told="Held for orders on their way to the provider.")
    equity = amount(null=True, told="balance + credit + floating_profit; null without prices.")
    floating_profit = amount(null=True)
    free_margin = amount(null=True, told="equity - used_margin - reserved_margin.")
    margin_level = amount(null=True, told="Percent; null when no margin is used.")
    unpriced = serializers.CharField(allow_null=True, help_text="The reason why there is no equity, if so.")
    live_orders = serializers.IntegerField()
    version = serializers.IntegerField(help_text="Counts what was done to the account.")
    as_of = moment()


class Order(Shape):
    order_id = serializers.CharField()
    user_type = serializers.ChoiceField(list(ids.KINDS))
    user_id = serializers.IntegerField()
    symbol = serializers.CharField()
    order_type = serializers.ChoiceField([*MARKET_TYPES, *PENDING_TYPES])
    side = serializers.ChoiceField(["BUY", "SELL"])
    order_status = serializers.ChoiceField([*sorted(LIVE), *sorted(TERMINAL)])
    flow = serializers.ChoiceField(["local", "provider"])
    order_quantity = amount(told="Lots ordered.")
    open_quantity = amount(told="Lots open now.")
    filled_quantity = amount(told="Lots ever filled.")
    leaves_quantity = amount(told="Lots that may still fill.")
    order_price = amount(null=True)
    open_price = amount(null=True)
    close_price = amount(null=True)
    stop_loss = amount(null=True)
    take_profit = amount(null=True)
    expires_at = moment(null=True)
    initial_margin = amount(told="At the open, of all lots filled; the account's used_margin says what is held now.")
    commission = amount(told="So far, in account currency; negative is charged.")
    profit = amount(told="Realised so far, in account currency.")
    swap = amount()
    reason = serializers.CharField(allow_null=True, help_text="Why it ended.")
    created_at = moment(null=True)
    opened_at = moment(null=True)
    closed_at = moment(null=True)
    version = serializers.IntegerField(help_text="The account's version that changed it last.")


class Deal(Shape):
    deal_id = serializers.CharField()
    order_id = serializers.CharField()
    user_type = serializers.ChoiceField(list(ids.KINDS))
    user_id = serializers.IntegerField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(["BUY", "SELL"])
    entry = serializers.ChoiceField(["in", "out"])
    quantity = amount()
    price = amount()
    profit = amount()
    commission = amount()
    swap = amount()
    at = moment()


class Transfer(Shape):
    kind = serializers.CharField()
    amount = amount()
    currency = serializers.CharField()
    debit = serializers.CharField(help_text="Where it left: an account or a house account.")
    credit = serializers.CharField(help_text="Where it arrived.")
    reason = serializers.CharField(allow_blank=True)


class TransferLine(Transfer):
    direction = serializers.ChoiceField(["in", "out"])
    order_id = serializers.CharField(allow_null=True)
    transfer_id = serializers.CharField(allow_null=True, help_text="Joins both halves of a transfer between accounts.")
    version = serializers.IntegerField()
    line = serializers.IntegerField()
    at = moment()


class EventQuote(Shape):
    symbol = serializers.CharField()
    bid = amount()
    ask = amount()
    at = moment()


class Event(Shape):
    version = serializers.IntegerField()
    at = moment()
    event = serializers.CharField(help_text="The command: open, place, modify, cancel, close, protect, fire, ...")
    by = serializers.CharField(help_text="user, key or system; staff and whoever did it see which.")
    note = serializers.CharField(allow_blank=True, help_text="Staff only.")
    command_id = serializers.CharField()
    order = Order()
    deals = Deal(many=True)
    transfers = Transfer(many=True)
    quotes = EventQuote(many=True, help_text="Raw prices that were decided on; staff only.")


class Quote(Shape):
    symbol = serializers.CharField()
    bid = amount()
    ask = amount()
    at = moment()
    age_ms = serializers.IntegerField()
    tradable = serializers.BooleanField(help_text="Whether an order could be opened on it now.")
    reason = serializers.CharField(allow_null=True, help_text="Why not, if so.")
    opens_at = moment(null=True, told="When a closed market opens; null if it never does.")


class Commission(Shape):
    kind = serializers.ChoiceField(["per_lot", "percent"])
    rate = amount()
    timing = serializers.ChoiceField(["both", "entry", "exit"])


class Instrument(Shape):
    symbol = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    vars()["class"] = serializers.CharField()
    digits = serializers.IntegerField()
    tick = amount()
    contract_size = amount()
    base_currency = serializers.CharField()
    profit_currency = serializers.CharField()
    margin_currency = serializers.CharField()
    lot_min = amount()
    lot_max = amount()
    lot_step = amount()
    price_age_ms = serializers.IntegerField()
    time_zone = serializers.CharField()
    trading_hours = serializers.CharField(allow_blank=True)
    market_open = serializers.BooleanField()
    opens_at = moment(null=True)
    spread_points = serializers.CharField(required=False, help_text="This and what follows: of the account's group.")
    point = serializers.CharField(required=False)
    stops_level = serializers.CharField(required=False)
    margin_factor = serializers.CharField(required=False)
    margin_rate = serializers.CharField(required=False, allow_null=True)
    commission = Commission(required=False)


class Answer(Shape):
    ok = serializers.BooleanField(help_text="Always true.")


class Page(Answer):
    next_cursor = serializers.CharField(allow_null=True, help_text="Send it as `cursor` for the next page; null ends.")


class OneOrder(Answer):
    order = Order()


class OrderPage(Page):
    orders = Order(many=True)


class Events(Answer):
    events = Event(many=True)


class DealPage(Page):
    deals = Deal(many=True)


class Result(Shape):
    ok = serializers.BooleanField()
    order_id = serializers.CharField()
    order = Order(required=False)
    reason = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)


class Results(Shape):
    ok = serializers.BooleanField(help_text="Whether every result is.")
    results = Result(many=True)


class OneAccount(Answer):
    account = Account()
    orders = Order(many=True)


class AccountPage(Page):
    accounts = Account(many=True)


class Moved(Answer):
    transfer = Transfer()
    balance = amount()
    credit = amount()


class TransferPage(Page):
    transfers = TransferLine(many=True)


class Instruments(Answer):
    instruments = Instrument(many=True)


class Quotes(Answer):
    quotes = Quote(many=True)
    as_of = moment()
