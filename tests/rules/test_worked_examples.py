"""Worked examples that brokers and platforms publish, recomputed by hand. Each must come out exactly."""

from decimal import Decimal
from typing import NamedTuple

import pytest

from accounts.terms import Commission, Terms
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.commission import entry_commission, exit_commission
from orders.rules.facts import Exposure, Portfolio
from orders.rules.margin import level, order_margin, symbol_margin, used_margin
from orders.rules.pricing import closing_price, opening_price
from orders.rules.profit import floating, realised
from orders.rules.valuation import value
from tests.rules.terms_for_tests import make_catalogue, make_group, make_market, make_quote, make_terms

D = Decimal

EURUSD = make_terms()
CATALOGUE = make_catalogue(EURUSD)
HOUSE = make_quote("1.1000", "1.1002")


def house_margin(lots: str, price: str) -> Decimal | Rejection:
    return order_margin(EURUSD, 100, D(lots), D(price), "USD", CATALOGUE, make_market(HOUSE))


# Source: house formulas. EURUSD, spread 2 points of 0.0001, bid 1.1000, ask 1.1002, leverage 100.
class TestHouseFormulas:
    def test_buy(self):
        assert opening_price(EURUSD, HOUSE, "BUY") == D("1.1003")
        assert house_margin("0.5", "1.1003") == D("550.15")

    def test_sell(self):
        assert opening_price(EURUSD, HOUSE, "SELL") == D("1.0999")
        assert house_margin("0.3", "1.0999") == D("329.97")

    def test_both_open(self):
        both = Exposure(D("0.5"), D("0.55015"), D("550.15"), D("0.3"), D("0.32997"), D("329.97"))
        assert used_margin({"EURUSD": both}, "larger_leg", {"EURUSD": EURUSD}, 2) == D("550.15")

    @pytest.mark.parametrize(
        ("commission", "entry", "exit_"),
        [
            (Commission("per_lot", D(7), "both"), "3.50", "3.50"),
            (Commission("percent", D("0.01"), "entry"), "5.50", "0"),
        ],
    )
    def test_commission(self, commission, entry, exit_):
        rest = (D("0.5"), D("1.1003"), D(100_000), "USD", "USD", CATALOGUE, make_market(HOUSE))
        assert entry_commission(commission, *rest) == D(entry)
        assert exit_commission(commission, *rest) == D(exit_)

    def test_close(self):
        quote = make_quote("1.1050", "1.1052")
        price = closing_price(EURUSD, quote, "BUY")
        assert price == D("1.1049")
        made = realised(
            "BUY", D("0.5"), D(100_000), D("1.1003"), price, "USD", "USD", CATALOGUE, make_market(quote)
        )  # fmt: skip
        assert made == D("230.00")
        assert made - D("7.00") == D("223.00")

    def test_yen_profit_of_a_dollar_account(self):
        yen = make_catalogue(make_terms("USDJPY"))
        trade = ("BUY", D(1), D(100_000), D("149.50"), D("150.00"), "JPY", "USD", yen)
        assert realised(*trade, make_market(make_quote("150", "150", "USDJPY"))) == D("333.33")
        refused = realised(*trade, make_market())
        assert isinstance(refused, Rejection)
        assert refused.reason is Reason.conversion_rate_unavailable

    @pytest.mark.parametrize(
        ("equity", "used", "percent"), [("1200", "2500", "48"), ("1300", "2500", "52"), ("1300", "0", None)]
    )
    def test_level(self, equity, used, percent):
        assert level(D(equity), D(used)) == (None if percent is None else D(percent))


class MarginRow(NamedTuple):
    source: str
    terms: Terms
    leverage: int
    lots: str
    price: str
    currency: str
    expected: str


SHARES = make_terms("SHARE", instrument_class="index", contract_size="5000", profit_currency="USD")

MARGINS = [
    MarginRow("D01 MetaTrader 5", make_terms(), 100, "1", "1.2790", "EUR", "1000.00"),
    MarginRow("D02 MetaTrader 5", make_terms(), 100, "1", "1.2790", "USD", "1279.00"),
    MarginRow("D03 MetaTrader 5", make_terms(margin_factor="1.15"), 100, "1", "1.2790", "USD", "1470.85"),
    MarginRow("D04 MetaTrader 5, buy 1", SHARES, 100, "1", "15.436", "USD", "771.80"),
    MarginRow("D04 MetaTrader 5, buy 2", SHARES, 100, "2", "15.432", "USD", "1543.20"),
    MarginRow("D04 MetaTrader 5, buy limit 1", SHARES, 100, "1", "15.412", "USD", "770.60"),
    MarginRow("D15 Admirals, 1 lot", make_terms(), 500, "1", "1.1000", "EUR", "200.00"),
    MarginRow("D15 Admirals, 1.5 lots", make_terms(), 500, "1.5", "1.1000", "EUR", "300.00"),
    MarginRow("D18 OANDA", make_terms("EURGBP", margin_rate="0.0333333"), 30, "10", "0.8568", "GBP", "28559.97"),
    MarginRow(
        "D20 Axi",
        make_terms("WTI", instrument_class="energy", contract_size="1000", margin_rate="0.01", profit_currency="USD"),
        500,
        "1",
        "41.58",
        "USD",
        "415.80",
    ),
    MarginRow("D22 EBH", make_terms("USDCHF"), 30, "1", "0.9000", "USD", "3333.33"),
]


@pytest.mark.parametrize("row", MARGINS, ids=[row.source for row in MARGINS])
def test_margin_of_an_order(row):
    catalogue = make_catalogue(row.terms)
    found = order_margin(
        row.terms, row.leverage, D(row.lots), D(row.price), row.currency, catalogue, make_market()
    )  # fmt: skip
    assert found == D(row.expected)


def test_d04_metatrader_5_used_and_asked_at_the_placement_of_the_limit():
    held = Exposure(long_lots=D(3), long_margin=D("771.80") + D("1543.20"))
    assert used_margin({"SHARE": held}, "larger_leg", {"SHARE": SHARES}, 2) == D("2315.00")
    carried = held.moved("BUY", D(1), D("15.412"), D("770.60"))
    assert used_margin({"SHARE": carried}, "larger_leg", {"SHARE": SHARES}, 2) == D("3085.60")


@pytest.mark.parametrize("mode", ["larger_leg", "mt5_hedged"])
@pytest.mark.parametrize(("sell_lots", "sell_margin", "expected"), [("1", "200", "200.00"), ("1.5", "300", "300.00")])
def test_d15_admirals_hedged(mode, sell_lots, sell_margin, expected):
    exposure = Exposure(D(1), D("1.1"), D(200), D(sell_lots), D(sell_lots) * D("1.1"), D(sell_margin))
    assert symbol_margin(exposure, mode, make_terms(hedged_size="100000"), 2) == D(expected)


def test_d18_oanda_account():
    terms = make_terms("EURGBP", margin_rate="0.0333333", spread_points="0")
    group, catalogue = make_group(currency="GBP"), make_catalogue(terms)
    exposure = Exposure(long_lots=D(10), long_cost=D("8.568"), long_margin=D("28559.97"))
    portfolio = Portfolio(1, "", D(50_000), used_margin=D("28559.97"), exposures={"EURGBP": exposure})
    market = make_market(make_quote("0.8566", "0.8568", "EURGBP"))
    found = value(portfolio, group, "GBP", {"EURGBP": terms}, catalogue, market)
    assert not isinstance(found, Rejection)
    assert (found.floating, found.equity, found.free_margin) == (D("-200.00"), D("49800.00"), D("21240.03"))
    assert found.level
    assert round(found.level, 2) == D("174.37")


@pytest.mark.parametrize(
    ("equity", "used", "percent"), [("10000", "25000", "40"), ("25000", "25000", "100"), ("25000", "0", None)]
)
def test_d27_metatrader_5_margin_level(equity, used, percent):
    assert level(D(equity), D(used)) == (None if percent is None else D(percent))


def test_d23_metatrader_5_profit():
    made = realised(
        "BUY", D(1), D(100_000), D("1.2000"), D("1.2050"), "USD", "USD", CATALOGUE, make_market()
    )  # fmt: skip
    assert made == D("500.00")


def test_d25_metatrader_5_floating_without_markup():
    raw = make_terms(spread_points="0")
    market = make_market(make_quote("1.10010", "1.10030"))
    bought = Exposure(long_lots=D(1), long_cost=D("1.10000"))
    sold = Exposure(short_lots=D(1), short_cost=D("1.10000"))
    assert floating(bought, raw, "USD", CATALOGUE, market) == D("10.00")
    assert floating(sold, raw, "USD", CATALOGUE, market) == D("-30.00")


@pytest.mark.parametrize(
    ("symbol", "open_price", "close_price", "expected"),
    [
        ("EURUSD", "1.1000", "1.1001", "10.00"),
        ("USDJPY", "149.99", "150.00", "6.67"),
        ("EURJPY", "160.00", "160.01", "6.67"),
    ],
)
def test_d26_metatrader_5_one_pip(symbol, open_price, close_price, expected):
    catalogue = make_catalogue(make_terms(), make_terms("USDJPY"), make_terms("EURJPY"))
    market = make_market(make_quote("150", "150", "USDJPY"))
    made = realised(
        "BUY", D(1), D(100_000), D(open_price), D(close_price), symbol[3:], "USD", catalogue, market
    )  # fmt: skip
    assert made == D(expected)
