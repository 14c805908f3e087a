"""What must be there before the processes start: servers, tables, demo data."""

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from django.core.management import call_command
from django.db import OperationalError

from accounts import demo
from copytrading import embedded
from copytrading.env import Env, kept_secret
from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import AccountRef
from copytrading.kernel.rejections import Rejection
from orders import verbs
from orders.book import connection, guard
from orders.book.account import NotInBook, load
from orders.messages import MoveMoney
from workers.stack.refusal import StackRefused

Say = Callable[[str], None]

#: The demo users whom a visitor may want to be; the others trade by themselves.
LOG_INS = ("admin", "dealer", "support", "trader", "strategist")


@dataclass(frozen=True, slots=True)
class Demo:
    """What a visitor needs to know. `accounts`: each with its owner's name and what it is there for."""

    password: str
    password_kept_in: Path | None
    log_ins: tuple[str, ...]
    accounts: tuple[tuple[AccountRef, str, str], ...]


def check_port(bind: str, port: int) -> None:
    """Raises StackRefused when the web could not listen there."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            raise StackRefused(
                f"Port {port} on {bind} can't be used ({error.strerror}). "
                f"Stop what uses it, or choose another one: WEB_PORT={port + 1} make run"
            ) from error


def answers(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


@contextmanager
def servers(env: Env, say: Say) -> Iterator[list[embedded.Server]]:
    """The embedded servers that no URL replaces, running inside the block."""
    owned = embedded.of(env.data_dir)
    wanted = [owned[url] for url in (env.redis_url, env.market_redis_url, env.database_url) if url in owned]
    with ExitStack() as stack:
        for server in wanted:
            stack.callback(server.stop)
            server.start()
            say(f"  {server.folder.name:12} {server.program}, data in {server.folder}")
        yield wanted


def check_redis() -> None:
    """Raises StackRefused with the variable that names the one which does not answer."""
    _check("ledger", "REDIS_URL", lambda: [node.ping() for node in connection.unguarded_ledger().nodes()])
    _check("market instance", "MARKET_REDIS_URL", lambda: connection.market().ping())


def _check(what: str, variable: str, ask: Callable[[], object]) -> None:
    try:
        ask()
    except (redis.RedisError, LedgerUnavailable, ValueError) as error:  # ValueError: an option in the URL is none
        raise StackRefused(f"The {what} can't be used: {error}\nCheck {variable}, or unset it.") from error


def make_tables() -> None:
    try:
        call_command("migrate", verbosity=0, interactive=False)
    except OperationalError as error:
        said = str(error).strip()
        raise StackRefused(f"PostgreSQL can't be used: {said}\nCheck DATABASE_URL, or unset it.") from error


def open_ledger() -> list[str]:
    """What keeps the ledger closed for now, in words: processes are started all the same, so that it can be mended.

    Raises StackRefused for settings under which it could lose what was acknowledged.
    """
    if faults := guard.check_settings(connection.unguarded_ledger()):
        raise StackRefused("The ledger (REDIS_URL) can't be used:\n  " + "\n  ".join(faults))
    return guard.clear()


def seed(env: Env, *, deposits: bool = True) -> Demo:
    """Demo users, terms and accounts, and an opening deposit for each account that never had any money."""
    password, kept_in = demo_password(env)
    seeded = demo.seed(password, anew=kept_in is None)
    accounts = []
    for key, row in seeded.accounts.items():
        if deposits and _untouched(row.ref):
            _deposit(row.ref, key)
        accounts.append((row.ref, row.owner.username, key))
    return Demo(password, kept_in, LOG_INS, tuple(accounts))


def demo_password(env: Env) -> tuple[str, Path | None]:
    """The one that was given, or one made once and kept in the data folder."""
    if env.demo_password:
        return env.demo_password, None
    kept_in = env.data_dir / "demo_password"
    return kept_secret(kept_in, lambda: secrets.token_urlsafe(12)), kept_in


def _untouched(account: AccountRef) -> bool:
    """Not in the book yet, or nothing but the entry has happened."""
    try:
        return load(account).portfolio.version <= 1
    except NotInBook:
        return True


def _deposit(account: AccountRef, key: str) -> None:
    amount = demo.OPENING_DEPOSITS[key]
    command = MoveMoney(
        account=account,
        principal="system:demo",
        key="opening-deposit",
        staff=True,
        kind="deposit",
        amount=amount,
        reason="opening deposit of the demo",
    )
    done = verbs.carry_out(command)
    if isinstance(done, Rejection):
        raise StackRefused(f"The opening deposit of {account} was refused: {done.detail} {done.reason.advice}")
