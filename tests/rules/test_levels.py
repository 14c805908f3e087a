"""Where levels may stand, when they fire and what they fill at. Client prices throughout."""

from decimal import Decimal

import pytest

from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.rejections import Reason
from orders.rules.levels import (
    check_levels,
    check_pending_price,
    pending_fires,
    stop_loss_fires,
    take_profit_fires,
    trigger_closing_price,
    trigger_opening_price,
)
from orders.rules.pricing import client_ask, client_bid
from tests.rules.terms_for_tests import NOW, make_quote, make_terms

D = Decimal
BID, ASK = D("1.0999"), D("1.1003")


@pytest.mark.parametrize(
    ("order_type", "price", "fires"),
    [
        ("BUY_LIMIT", "1.1003", True),
        ("BUY_LIMIT", "1.1002", False),
        ("SELL_LIMIT", "1.0999", True),
        ("SELL_LIMIT", "1.1000", False),
        ("BUY_STOP", "1.1003", True),
        ("BUY_STOP", "1.1004", False),
        ("SELL_STOP", "1.0999", True),
        ("SELL_STOP", "1.0998", False),
    ],
)
def test_a_resting_order_fires_on_its_own_side(order_type, price, fires):
    assert pending_fires(order_type, D(price), BID, ASK) is fires


@pytest.mark.parametrize("order_type", ["BUY", "SELL"])
def test_a_market_order_does_not_rest(order_type):
    with pytest.raises(InvariantBroken):
        pending_fires(order_type, BID, BID, ASK)


@pytest.mark.parametrize(
    ("fires", "side", "level", "expected"),
    [
        (stop_loss_fires, "BUY", "1.0999", True),
        (stop_loss_fires, "BUY", "1.0998", False),
        (stop_loss_fires, "SELL", "1.1003", True),
        (stop_loss_fires, "SELL", "1.1004", False),
        (take_profit_fires, "BUY", "1.0999", True),
        (take_profit_fires, "BUY", "1.1000", False),
        (take_profit_fires, "SELL", "1.1003", True),
        (take_profit_fires, "SELL", "1.1002", False),
    ],
)
def test_levels_fire_on_the_closing_price(fires, side, level, expected):
    assert fires(side, D(level), BID, ASK) is expected


# Source: house formulas (EURUSD, half-spread 0.0001). The first raw price that fires, and the last that doesn't.
@pytest.mark.parametrize(
    ("what", "raw_fires", "raw_rests"),
    [
        (lambda bid, ask: stop_loss_fires("BUY", D("1.0950"), bid, ask), "1.0951", "1.09511"),
        (lambda bid, ask: take_profit_fires("SELL", D("1.0950"), bid, ask), "1.0949", "1.09491"),
        (lambda bid, ask: pending_fires("BUY_LIMIT", D("1.0980"), bid, ask), "1.0979", "1.09791"),
        (lambda bid, ask: pending_fires("SELL_LIMIT", D("1.1100"), bid, ask), "1.1101", "1.11009"),
    ],
)
def test_house_formulas_of_firing(what, raw_fires, raw_rests):
    terms = make_terms()
    for raw, expected in ((raw_fires, True), (raw_rests, False)):
        quote = make_quote(raw)  # locked: one raw price for both sides
        assert what(client_bid(terms, quote), client_ask(terms, quote)) is expected


FIRED = make_quote("1.0975", "1.0977", sequence=5)


@pytest.mark.parametrize(
    ("latest", "buy", "sell"),
    [
        (None, "1.0978", "1.0974"),
        (FIRED, "1.0978", "1.0974"),
        (make_quote("1.0970", "1.0972", sequence=6), "1.0973", "1.0974"),
        (make_quote("1.0980", "1.0982", sequence=6), "1.0978", "1.0979"),
        (make_quote("1.0970", "1.0972", sequence=4), "1.0978", "1.0974"),  # older
        (make_quote("1.0970", "1.0972", sequence=1, stamp_ms=NOW + 1), "1.0973", "1.0974"),  # a feed begun anew
        (make_quote("1.0980", "1.0960", sequence=6), "1.0978", "1.0974"),  # crossed: never fills anything
    ],
)
def test_a_newer_quote_counts_only_if_it_is_better_for_the_client(latest, buy, sell):
    terms = make_terms()
    assert trigger_opening_price(terms, "BUY", FIRED, latest) == D(buy)
    assert trigger_opening_price(terms, "SELL", FIRED, latest) == D(sell)
    assert trigger_closing_price(terms, "SELL", FIRED, latest) == D(buy)
    assert trigger_closing_price(terms, "BUY", FIRED, latest) == D(sell)


@pytest.mark.parametrize(
    ("order_type", "good", "touching"),
    [
        ("BUY_LIMIT", "1.10029", "1.1003"),
        ("BUY_STOP", "1.10031", "1.1003"),
        ("SELL_LIMIT", "1.09991", "1.0999"),
        ("SELL_STOP", "1.09989", "1.0999"),
    ],
)
def test_a_resting_price_lies_on_its_side_of_the_market(order_type, good, touching):
    terms, quote = make_terms(), make_quote("1.1000", "1.1002")
    assert check_pending_price(terms, quote, order_type, D(good)) is None
    refused = check_pending_price(terms, quote, order_type, D(touching))
    assert refused
    assert (refused.reason, list(refused.fields)) == (Reason.invalid_price_side, ["order_price"])


@pytest.mark.parametrize("price", ["0", "-1.09", "1.098001"])
def test_a_resting_price_is_a_price(price):
    refused = check_pending_price(make_terms(), make_quote("1.1"), "BUY_LIMIT", D(price))
    assert refused
    assert (refused.reason, list(refused.fields)) == (Reason.invalid_fields, ["order_price"])
    assert refused.facts == {"tick": "0.00001"}


def test_a_resting_price_keeps_the_stops_level():
    terms, quote = make_terms(stops_level="10"), make_quote("1.1000", "1.1002")
    assert check_pending_price(terms, quote, "BUY_LIMIT", D("1.0993")) is None
    refused = check_pending_price(terms, quote, "BUY_LIMIT", D("1.09931"))
    assert refused
    assert refused.reason is Reason.invalid_price_side
    assert refused.facts == {"reference": "1.1003", "distance": "0.001"}


SL, TP = Reason.invalid_stop_loss, Reason.invalid_take_profit


@pytest.mark.parametrize(
    ("side", "stop_loss", "take_profit", "reason"),
    [
        ("BUY", None, None, None),
        ("BUY", "1.0989", "1.1009", None),
        ("BUY", "1.09891", None, SL),
        ("BUY", "1.0999", None, SL),
        ("BUY", "1.1100", None, SL),
        ("BUY", None, "1.10089", TP),
        ("BUY", None, "1.0900", TP),
        ("BUY", "1.1100", "1.0900", SL),  # the earlier reason is given
        ("SELL", "1.1009", "1.0989", None),
        ("SELL", "1.10089", None, SL),
        ("SELL", "1.0900", None, SL),
        ("SELL", None, "1.09891", TP),
        ("BUY", "-1", None, Reason.invalid_fields),
        ("BUY", "1.1100", "1.100901", Reason.invalid_fields),
    ],
)
def test_levels_lie_beyond_the_reference_by_the_stops_level(side, stop_loss, take_profit, reason):
    terms = make_terms(stops_level="10")
    levels = [None if each is None else D(each) for each in (stop_loss, take_profit)]
    refused = check_levels(terms, side, D("1.0999"), *levels)
    assert (refused and refused.reason) == reason


def test_without_a_stops_level_a_tick_is_enough():
    assert check_levels(make_terms(), "BUY", D("1.0999"), D("1.09989"), D("1.09991")) is None
    refused = check_levels(make_terms(), "BUY", D("1.0999"), None, D("1.0999"))
    assert refused
    assert (refused.reason, list(refused.fields)) == (TP, ["take_profit"])
