"""What the load was told, and how the record differs from it.

Every acknowledged command is one journal entry, and every journal entry that the load's people caused is one
acknowledged command: what is missing was lost, what is there beside was done twice or never told.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.proofs import record
from tests.proofs.record import Query

#: The load trades these, one of each kind, and nobody else does.
ACCOUNTS = ("live:1", "demo:1", "strategy_provider:1", "copy_follower:1")
TABLES = {
    "live:1": "live_users",
    "demo:1": "demo_users",
    "strategy_provider:1": "strategy_provider_accounts",
    "copy_follower:1": "copy_follower_accounts",
}
#: Journal entries of an acknowledged movement of money: between accounts it leaves and arrives.
LINES = {"deposit": 1, "withdrawal": 1, "transfer": 2}

_OURS = f"account IN {ACCOUNTS} AND (principal LIKE 'user:%' OR principal LIKE 'key:%')"


@dataclass
class Truth:
    """Filled by many hands. `wrong` is what no client may ever be told."""

    births: int = 0
    others: int = 0
    lists: int = 0
    moves: dict[str, tuple[str, str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _told: dict[tuple[str, str], str] = field(default_factory=dict)
    _changes: Counter[tuple[str, int]] = field(default_factory=Counter)
    _orders: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def acknowledged(self) -> int:
        return self.births + self.others

    def acknowledge(self, asker: str, key: str, body: dict[str, Any], *, birth: bool) -> None:
        """An answer of success. The first one to a key is remembered, any other must be the same."""
        with self._lock:
            answer = json.dumps(body, sort_keys=True)
            if (asker, key) in self._told:
                if self._told[asker, key] != answer:
                    self.wrong.append(f"key {key} of {asker} was answered {self._told[asker, key]} and then {answer}")
                return
            self._told[asker, key] = answer
            self.births += birth
            self.others += not birth
            self.lists += "results" in body
            for order in orders_in(body):
                account = f"{order['user_type']}:{order['user_id']}"
                self._changes[account, order["version"]] += 1
                self._orders[order["order_id"]] = max(order["version"], self._orders.get(order["order_id"], 0))

    def acknowledge_move(self, key: str, kind: str, amount: str) -> None:
        """A movement of money whose reason was its key."""
        with self._lock:
            self.others += key not in self.moves
            self.moves[key] = kind, amount

    def complain(self, what: str) -> None:
        with self._lock:
            self.wrong.append(what)

    def differences(self, query: Query) -> list[str]:
        """Between what was told and what is recorded, once the load rests and everything is recorded."""
        return [
            *self.wrong,
            *(
                f"{order_id}, acknowledged at version {version}, is not recorded"
                for order_id, version in self._lost(query)
            ),
            *(f"done twice: {row}" for row in record.done_twice(query)),
            *self._unlike_the_journal(query),
            *self._unlike_the_transfers(query),
            *_unlike_the_balances(query),
        ]

    def _lost(self, query: Query) -> list[tuple[str, int]]:
        return record.lost(query, self._orders.items())

    def _unlike_the_journal(self, query: Query) -> Iterator[str]:
        entries = query(
            f"SELECT account, version, verb FROM orders_journalentry "
            f"WHERE {_OURS} AND verb NOT IN ('money', 'transfer')"
        )
        recorded = Counter((account, version) for account, version, verb in entries if verb != "close_all")
        lists = sum(verb == "close_all" for _, _, verb in entries)
        for (account, version), times in sorted((self._changes - recorded).items()):
            yield f"{account} version {version} was acknowledged {times} times more than it is recorded"
        for (account, version), times in sorted((recorded - self._changes).items()):
            yield f"{account} version {version} is recorded {times} times more than it was acknowledged"
        if lists != self.lists:
            yield f"{self.lists} close-alls were acknowledged, {lists} are recorded"

    def _unlike_the_transfers(self, query: Query) -> Iterator[str]:
        told = Counter({(kind, key, Decimal(amount)): LINES[kind] for key, (kind, amount) in self.moves.items()})
        rows = query("SELECT kind, reason, amount FROM orders_transfer WHERE reason LIKE 'soak-%'")
        found = Counter((kind, reason, amount) for kind, reason, amount in rows)
        for (kind, key, amount), lines in sorted((told - found).items()):
            yield f"{kind} {key} of {amount} lacks {lines} of {LINES[kind]} entries"
        for (kind, key, amount), lines in sorted((found - told).items()):
            yield f"{kind} {key} of {amount} has {lines} entries too many"


def orders_in(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Orders as they are after what was acknowledged; of a close-all those that it closed."""
    if "results" in body:
        return [result["order"] for result in body["results"] if result["ok"]]
    return [body["order"]]


def _unlike_the_balances(query: Query) -> Iterator[str]:
    for account, table in TABLES.items():
        sums = f"""
            SELECT a.balance, coalesce(sum(CASE WHEN t.credit = '{account}' THEN t.amount ELSE -t.amount END), 0)
            FROM {table} a LEFT JOIN orders_transfer t ON '{account}' IN (t.credit, t.debit) WHERE a.id = 1 GROUP BY 1
            """
        ((balance, total),) = query(sums)
        if balance != total:
            yield f"{account} has a balance of {balance}, its transfers sum to {total}"
    transit = """
        SELECT transfer_id FROM orders_transfer WHERE 'house:transit:USD' IN (credit, debit) GROUP BY 1
        HAVING sum(CASE WHEN credit = 'house:transit:USD' THEN amount ELSE -amount END) <> 0
        """
    for (transfer,) in query(transit):
        yield f"transfer {transfer} left and did not arrive, or the other way round"
