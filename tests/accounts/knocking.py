"""Knocking at the doors of API and admin from any address, and reading what the audit log was told."""

import json
from typing import Any

import structlog
from django.test import Client

from accounts.models import AuditEntry

LOG_IN = "/api/auth/login"
LOG_OUT = "/api/auth/logout"
ADMIN_LOG_IN = "/admin/login/"
PASSWORD = "correct horse battery staple"
HOME = "127.0.0.1"
NOWHERE = "/api/orders/ord_l1_0000000000000"  # needs a principal, and finds nothing
LET_IN = (404, "order_not_found")
KEPT_OUT = (401, "not_authenticated")
TOO_MANY = (429, "rate_limited")


def ask(client: Client, method: str, path: str, body: Any = None, address: str = HOME, token: str = "") -> Any:
    """A request from `address`, which is what the log lines of that request say as well."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    raw = b"" if body is None else json.dumps(body).encode()
    with structlog.contextvars.bound_contextvars(address=address):
        return client.generic(method, path, raw, "application/json", headers=headers, REMOTE_ADDR=address)


def log_in(client: Client, username: str = "tess", password: str = PASSWORD, address: str = HOME) -> Any:
    return ask(client, "POST", LOG_IN, {"username": username, "password": password}, address)


def token_of(client: Client, username: str = "tess", address: str = HOME) -> str:
    return str(log_in(client, username, address=address).json()["token"])


def look(client: Client, token: str, address: str = HOME) -> tuple[int, str]:
    """Status and reason of a request that needs a principal."""
    answer = ask(client, "GET", NOWHERE, address=address, token=token)
    return answer.status_code, answer.json()["reason"]


def admin_log_in(client: Client, username: str, password: str = PASSWORD, address: str = HOME) -> Any:
    with structlog.contextvars.bound_contextvars(address=address):
        return client.post(ADMIN_LOG_IN, {"username": username, "password": password}, REMOTE_ADDR=address)


def told(action: str = "") -> list[tuple[str, str, str, str, str]]:
    """Principal, action, subject, outcome and reason of what was noted, oldest first."""
    entries = AuditEntry.objects.filter(action=action) if action else AuditEntry.objects.all()
    return list(entries.order_by("id").values_list("principal", "action", "subject", "outcome", "reason"))
