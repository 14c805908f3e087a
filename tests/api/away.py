"""Servers that can't be reached: every new connection fails for real, and there is no old one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection as database

from accounts import limits
from orders.book import connection


@contextmanager
def redis_away(settings: Any, name: str) -> Iterator[None]:
    """Every client made from now on finds nobody listening."""
    kept = getattr(settings, name)
    setattr(settings, name, "redis://127.0.0.1:1/0")
    connection.close_all()
    yield
    setattr(settings, name, kept)
    connection.close_all()


@contextmanager
def cache_away(settings: Any) -> Iterator[None]:
    """Nobody counts tries and requests."""
    kept = settings.CACHES
    settings.CACHES = {"default": kept["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}
    limits.outage.forget()
    try:
        yield
    finally:
        settings.CACHES = kept
        limits.outage.forget()


@contextmanager
def market_away(settings: Any) -> Iterator[None]:
    """As `redis_away`, for a process that has its connection to the ledger already."""
    kept = settings.MARKET_URL
    settings.MARKET_URL = "redis://127.0.0.1:1/0"
    _forget_market()
    yield
    settings.MARKET_URL = kept
    _forget_market()


def _forget_market() -> None:
    connection.market().close()
    connection.market.cache_clear()


@contextmanager
def postgresql_away() -> Iterator[None]:
    kept = database.settings_dict["HOST"], database.settings_dict["PORT"]
    database.close()
    database.settings_dict.update(HOST="127.0.0.1", PORT="1")
    try:
        yield
    finally:
        database.close()
        database.settings_dict.update(zip(("HOST", "PORT"), kept, strict=True))
