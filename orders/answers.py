"""How an order is shown to those who asked: JSON-ready, amounts as strings, times in ISO 8601 UTC."""

from decimal import Decimal
from typing import Any

from copytrading.kernel.decimals import text
from copytrading.kernel.ids import KINDS, AccountRef
from orders.rules.facts import Deal, Order, Transfer
from orders.rules.hours import utc_text


def show_order(order: Order) -> dict[str, Any]:
    user_type, _, user_id = order.account.partition(":")
    return {
        "order_id": order.order_id,
        "user_type": user_type,
        "user_id": int(user_id),
        "symbol": order.symbol,
        "order_type": order.order_type,
        "side": order.side,
        "order_status": order.status,
        "flow": order.flow,
        "order_quantity": text(order.lots),
        "open_quantity": text(order.open_lots),
        "filled_quantity": text(order.filled_lots),
        "leaves_quantity": text(order.leaves_lots),
        "order_price": _optional(order.order_price),
        "open_price": _optional(order.open_price),
        "close_price": _optional(order.close_price),
        "stop_loss": _optional(order.stop_loss),
        "take_profit": _optional(order.take_profit),
        "expires_at": show_time(order.expires_at_ms),
        "initial_margin": text(order.margin),
        "commission": text(order.commission),
        "profit": text(order.profit),
        "swap": text(order.swap),
        "reason": order.reason or None,
        "created_at": show_time(order.created_at_ms),
        "opened_at": show_time(order.opened_at_ms),
        "closed_at": show_time(order.closed_at_ms),
        "version": order.version,
    }


def show_deal(account: AccountRef, version: int, line: int, deal: Deal) -> dict[str, Any]:
    return {
        "deal_id": f"deal_{KINDS[account.kind]}{account.id}_{version}_{line}",
        "order_id": deal.order_id,
        "user_type": account.kind,
        "user_id": account.id,
        "symbol": deal.symbol,
        "side": deal.side,
        "entry": deal.entry,
        "quantity": text(deal.lots),
        "price": text(deal.price),
        "profit": text(deal.profit),
        "commission": text(deal.commission),
        "swap": text(deal.swap),
        "at": show_time(deal.at_ms),
    }


def show_transfer(transfer: Transfer) -> dict[str, Any]:
    return {
        "kind": transfer.kind,
        "amount": text(transfer.amount),
        "currency": transfer.currency,
        "debit": transfer.debit,
        "credit": transfer.credit,
        "reason": transfer.reason,
    }


def show_time(stamp_ms: int) -> str | None:
    return utc_text(stamp_ms) if stamp_ms else None


def _optional(number: Decimal | None) -> str | None:
    return None if number is None else text(number)
