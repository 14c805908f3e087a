"""Ids are functions of their cause, so that asking twice asks for the same thing.

An account is named `live:17`. An order id names its account (`ord_l17_7K2M...`), so any
process finds the account, and with it the slot of the book, from the id alone.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import NewType

OrderId = NewType("OrderId", str)
CommandId = NewType("CommandId", str)

LIVE = "live"
DEMO = "demo"
STRATEGY_PROVIDER = "strategy_provider"
COPY_FOLLOWER = "copy_follower"

#: The four kinds of account and the letter that stands for each in an order id.
KINDS: dict[str, str] = {LIVE: "l", DEMO: "d", STRATEGY_PROVIDER: "s", COPY_FOLLOWER: "c"}
_KIND_OF = {letter: kind for kind, letter in KINDS.items()}

#: Account numbers count from here, so that all have the same length for long.
FIRST_NUMBER = 10_000_000

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_ORDER_ID = re.compile(r"ord_([ldsc])([1-9][0-9]{0,17})_([0-9A-Z]{13})", re.ASCII)
_ACCOUNT_NUMBER = re.compile(r"([LDSC])([1-9][0-9]{7,17})", re.ASCII)
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._]{1,15}", re.ASCII)
_GROUP = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class AccountRef:
    """`kind` is one of KINDS, `id` the account's primary key in the table of that kind."""

    kind: str
    id: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not 0 < self.id < 10**18:
            raise ValueError(f"no such kind of account: {self.kind!r} {self.id!r}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @property
    def number(self) -> str:
        """As people write it: L10000017 for live:17."""
        return f"{KINDS[self.kind].upper()}{FIRST_NUMBER + self.id}"

    @classmethod
    def parse(cls, name: str) -> "AccountRef":
        """From `live:17`. Raises ValueError for anything else."""
        kind, _, number = name.partition(":")
        if not (number.isascii() and number.isdigit()) or number.startswith("0"):
            raise ValueError(f"not an account: {name!r}; write it as live:17")
        return cls(kind, int(number))

    @classmethod
    def of_number(cls, number: str) -> "AccountRef":
        """From `L10000017`, whether there is such an account or not. Raises ValueError for anything else."""
        match = _ACCOUNT_NUMBER.fullmatch(number)
        if match is None:
            raise ValueError(f"not an account number: {number!r}; write it as L10000017")
        return cls(_KIND_OF[match[1].lower()], int(match[2]) - FIRST_NUMBER)


def digest(*parts: str, length: int = 26) -> str:
    """`length` base-32 characters (5 bits each) of SHA-256 over the length-prefixed parts."""
    hasher = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        hasher.update(len(raw).to_bytes(8, "big"))
        hasher.update(raw)
    number = int.from_bytes(hasher.digest(), "big")
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(length))


def command_id(principal: str, account: AccountRef, verb: str, key: str) -> CommandId:
    return CommandId(digest(principal, str(account), verb, key))


def order_id(account: AccountRef, cause: str) -> OrderId:
    """The id of the order that command `cause` gives birth to on `account`."""
    return OrderId(f"ord_{KINDS[account.kind]}{account.id}_{digest(cause, 'order', length=13)}")


def account_of(order: str) -> AccountRef | None:
    """The account an order id names, or None if it is no order id."""
    match = _ORDER_ID.fullmatch(order)
    return AccountRef(_KIND_OF[match[1]], int(match[2])) if match else None


def is_symbol(name: str) -> bool:
    """Whether `name` may become part of a Redis key or a FIX tag as an instrument name."""
    return _SYMBOL.fullmatch(name) is not None


def is_group(name: str) -> bool:
    """Whether `name` may become part of a Redis key as a group name."""
    return _GROUP.fullmatch(name) is not None
