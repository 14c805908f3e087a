"""Every Redis key of this code base is built here. The table of what each holds is in docs/architecture.md.

The braces are the cluster's hash tag and part of the key: all keys of one account share a slot.
"""

import re

from copytrading.kernel.ids import AccountRef, is_group, is_symbol

CONSUMERS = ("record", "index")

TERMS_EPOCH = "terms:epoch"
HALTS = "halts"
LEDGER_ID = "ledger:id"
QUEUE_RECORD = "queue:record"
QUEUE_LEVELS = "queue:levels"
QUEUE_ACCOUNTS = "queue:accounts"
#: On the market instance: ledger nodes (`connection.incarnation`) that were checked since they started.
LEDGER_CLEARED = "ledger_cleared"


def config(account: AccountRef) -> str:
    return f"user:{{{account}}}:config"


def portfolio(account: AccountRef) -> str:
    return f"user_portfolio:{{{account}}}"


def holding(account: AccountRef, order_id: str) -> str:
    return f"user_holdings:{{{account}}}:{order_id}"


def orders_index(account: AccountRef) -> str:
    return f"user_orders_index:{{{account}}}"


def requests(account: AccountRef) -> str:
    return f"user_requests:{{{account}}}"


def transfers(account: AccountRef) -> str:
    return f"user_transfers:{{{account}}}"


def journal(account: AccountRef) -> str:
    return f"user_journal:{{{account}}}"


def command(account: AccountRef, command_id: str) -> str:
    return f"user_commands:{{{account}}}:{command_id}"


def marks(account: AccountRef) -> str:
    return f"user_marks:{{{account}}}"


def symbol_holders(symbol: str, kind: str) -> str:
    return f"symbol_holders:{_symbol(symbol)}:{kind}"


def level_index(family: str, symbol: str, group: str, side: str) -> str:
    """`family` is pending, sl or tp; `side` the order type for pending (each fires its own way), else BUY or SELL."""
    return f"{family}_index:{_symbol(symbol)}:{_group(group)}:{side}"


def expiry_index(symbol: str) -> str:
    return f"expiry_index:{_symbol(symbol)}"


def group_terms(group: str, symbol: str) -> str:
    return f"groups:{{{_group(group)}}}:{_symbol(symbol)}"


def queue(name: str) -> str:
    return f"queue:{name}"


def dead_letters(name: str) -> str:
    return f"dead:{name}"


def market(symbol: str) -> str:
    return f"market:{_symbol(symbol)}"


def ticks_channel(symbol: str) -> str:
    return f"ticks:{_symbol(symbol)}"


def user_margin(account: AccountRef) -> str:
    return f"user_margin:{{{account}}}"


def heartbeat(worker: str, consumer: str) -> str:
    return f"heartbeat:{worker}:{consumer}"


def processes(supervisor: str) -> str:
    return f"processes:{supervisor}"


def _symbol(symbol: str) -> str:
    if not is_symbol(symbol):
        raise ValueError(f"not an instrument name: {symbol!r}")
    return symbol


def _group(group: str) -> str:
    if not is_group(group):
        raise ValueError(f"not a group name: {group!r}")
    return group


_ACCOUNT = r"\{(live|demo|strategy_provider|copy_follower):[1-9][0-9]*\}"
_SYMBOL = r"[A-Z0-9][A-Z0-9._]{1,15}"
_GROUP = r"[a-z0-9][a-z0-9_-]{0,31}"
_KNOWN = re.compile(
    "|".join(
        (
            rf"user:{_ACCOUNT}:config",
            rf"user_(portfolio|orders_index|requests|transfers|journal|marks|margin):{_ACCOUNT}",
            rf"user_holdings:{_ACCOUNT}:ord_[ldsc][0-9]+_[0-9A-Z]+",
            rf"user_commands:{_ACCOUNT}:[0-9A-Z]+",
            rf"symbol_holders:{_SYMBOL}:[a-z_]+",
            rf"pending_index:{_SYMBOL}:{_GROUP}:(BUY|SELL)_(LIMIT|STOP)",
            rf"(sl|tp)_index:{_SYMBOL}:{_GROUP}:(BUY|SELL)",
            rf"expiry_index:{_SYMBOL}",
            rf"groups:\{{{_GROUP}\}}:{_SYMBOL}",
            rf"market:{_SYMBOL}",
            r"(queue|dead):[a-z_]+",
            r"heartbeat:[a-z_]+:[A-Za-z0-9._-]+",
            r"processes:[A-Za-z0-9._-]+",
            r"terms:epoch|halts|ledger:id|ledger_cleared",
            r"cache:.*",
        )
    )
)


def is_known(key: str) -> bool:
    """Whether a key was built here, or by Django's cache under its prefix. Celery's own keys are the broker's."""
    return _KNOWN.fullmatch(key) is not None
