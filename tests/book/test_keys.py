"""Every key that a builder makes is known, all keys of an account share a slot, and nothing else is known."""

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from copytrading.kernel.ids import KINDS, AccountRef, command_id, order_id
from orders.book import keys

ACCOUNT = AccountRef("live", 17)
ORDER = order_id(ACCOUNT, "cause")

#: Every builder, with arguments that it takes.
BUILT: dict[str, tuple[Any, ...]] = {
    "config": (ACCOUNT,),
    "portfolio": (ACCOUNT,),
    "holding": (ACCOUNT, ORDER),
    "orders_index": (ACCOUNT,),
    "requests": (ACCOUNT,),
    "transfers": (ACCOUNT,),
    "journal": (ACCOUNT,),
    "command": (ACCOUNT, command_id("user:1", ACCOUNT, "open", "k")),
    "marks": (ACCOUNT,),
    "user_margin": (ACCOUNT,),
    "symbol_holders": ("EURUSD", "live"),
    "level_index": ("pending", "EURUSD", "retail", "BUY_LIMIT"),
    "expiry_index": ("EURUSD",),
    "group_terms": ("retail", "EURUSD"),
    "queue": ("record",),
    "dead_letters": ("record",),
    "market": ("EURUSD",),
    "heartbeat": ("worker_record", "host-1"),
    "processes": ("host-1",),
}
#: Public functions of the module that make no key: a channel is not stored, and `is_known` only asks.
NO_KEYS = {"ticks_channel", "is_known", "is_symbol", "is_group"}

accounts = st.builds(AccountRef, st.sampled_from(sorted(KINDS)), st.integers(1, 10**18 - 1))
symbols = st.from_regex(r"[A-Z0-9][A-Z0-9._]{1,15}", fullmatch=True)
groups = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)


def test_the_table_names_every_builder() -> None:
    public = {name for name, _ in inspect.getmembers(keys, inspect.isfunction) if not name.startswith("_")}
    assert public == BUILT.keys() | NO_KEYS


@pytest.mark.parametrize("builder", BUILT)
def test_what_a_builder_makes_is_known(builder: str) -> None:
    assert keys.is_known(getattr(keys, builder)(*BUILT[builder]))


@pytest.mark.parametrize(
    "key",
    [
        keys.TERMS_EPOCH,
        keys.HALTS,
        keys.LEDGER_ID,
        keys.QUEUE_RECORD,
        keys.QUEUE_LEVELS,
        keys.QUEUE_ACCOUNTS,
        keys.LEDGER_CLEARED,
    ],
)
def test_a_key_that_is_a_constant_is_known(key: str) -> None:
    assert keys.is_known(key)


@given(account=accounts, cause=st.text())
def test_all_keys_of_an_account_lie_in_one_slot(account: AccountRef, cause: str) -> None:
    born, command = order_id(account, cause), command_id("user:1", account, "open", cause)
    families = (
        keys.config, keys.portfolio, keys.orders_index, keys.requests, keys.transfers, keys.journal, keys.marks,
        keys.user_margin,
    )  # fmt: skip
    made = [family(account) for family in families] + [keys.holding(account, born), keys.command(account, command)]
    assert all(map(keys.is_known, made))
    assert len(set(made)) == len(made)
    assert {key_slot(key.encode()) for key in made} == {key_slot(str(account).encode())}


@given(symbol=symbols, group=groups)
def test_every_instrument_and_group_makes_known_keys(symbol: str, group: str) -> None:
    sides = {
        "pending": ("BUY_LIMIT", "SELL_LIMIT", "BUY_STOP", "SELL_STOP"),
        "sl": ("BUY", "SELL"),
        "tp": ("BUY", "SELL"),
    }
    made = [keys.level_index(family, symbol, group, side) for family, each in sides.items() for side in each]
    made += [keys.group_terms(group, symbol), keys.expiry_index(symbol), keys.market(symbol)]
    made += [keys.symbol_holders(symbol, kind) for kind in KINDS]
    assert all(map(keys.is_known, made))
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    "symbol", ["", "E", "eurusd", "EUR:X", "EUR USD", "EURUSD\n", "*", "{EUR}", "E" * 17, "ÉURUSD"]
)
def test_no_other_instrument_name_becomes_part_of_a_key(symbol: str) -> None:
    for build in (keys.market, keys.expiry_index, keys.ticks_channel):
        with pytest.raises(ValueError, match="not an instrument name"):
            build(symbol)
    with pytest.raises(ValueError, match="not an instrument name"):
        keys.level_index("sl", symbol, "retail", "BUY")


@pytest.mark.parametrize("group", ["", "Retail", "re:tail", "retail\n", "{retail}", "-retail", "r" * 33])
def test_no_other_group_name_becomes_part_of_a_key(group: str) -> None:
    for build in (lambda: keys.group_terms(group, "EURUSD"), lambda: keys.level_index("sl", "EURUSD", group, "BUY")):
        with pytest.raises(ValueError, match="not a group name"):
            build()


@pytest.mark.parametrize(
    "stranger",
    [
        "",
        "anything",
        "user:live:17:config",
        "user:{live:17}:settings",
        "user:{live:0}:config",
        "user:{live:017}:config",
        "user:{house:1}:config",
        "user_portfolio:{live:17}x",
        "user_portfolio:{live:17}\n",
        "user_portfolio:{live:}",
        "user_holdings:{live:17}:",
        "user_holdings:{live:17}:ord_x17_7K2M",
        "user_holdings:{live:17}:ord_l17_7K2M:more",
        "user_commands:{live:17}:",
        "user_commands:{live:17}:abc",
        "symbol_holders:eurusd:live",
        "pending_index:EURUSD:retail:BUY",
        "sl_index:EURUSD:retail:BUY_LIMIT",
        "sl_index:EURUSD:Retail:BUY",
        "groups:retail:EURUSD",
        "market:eurusd",
        "ticks:EURUSD",
        "queue:",
        "queue:Record",
        "heartbeat:worker",
        "terms:epoch:1",
        "halts2",
        "celery:unacked",
    ],
)
def test_nothing_else_is_known(stranger: str) -> None:
    assert not keys.is_known(stranger)


#: Keys that stand alone: hypothesis knows the constants of the code under test and tries them.
_WHOLE = {value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)}


@given(st.text(max_size=60))
def test_a_text_of_any_kind_is_no_key(text: str) -> None:
    assert not keys.is_known(text) or text in _WHOLE or text.startswith("cache:")
