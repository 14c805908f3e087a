"""What the journal says of one order, in words."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from accounts.admin.access import exactly
from accounts.admin.links import link, names_of, principal_link
from orders.admin import columns
from orders.admin.panels import Panel
from orders.book import codec
from orders.models import JournalEntry, Order

#: A value as the journal holds it. Entries of earlier versions of this code lack fields that came later.
Texts = Mapping[str, str]

#: What each verb of the journal means to whoever reads it.
VERBS = {
    "open": "opened at the market",
    "place": "placed",
    "modify": "modified",
    "cancel": "cancelled",
    "close": "closed",
    "protect": "level set",
    "fire": "touched by the market",
    "money": "money moved",
    "transfer": "transfer between accounts",
    "configure": "configured",
    "margin_call": "margin call",
    "entered": "entered the book",
    "rebuilt": "rebuilt from the record",
}
MOST = 200
#: Journal and orders are stamped by two clocks.
_CLOCKS_APART = timedelta(hours=1)


def entries_of(order: Order) -> list[JournalEntry]:
    """The last `MOST` entries that changed the order, oldest first."""
    told = JournalEntry.objects.filter(account=order.account, version__lte=order.version)
    if order.created_at:
        told = told.filter(at__gte=order.created_at - _CLOCKS_APART)
    last = told.filter(body__contains=order.order_id).order_by("-at", "-version")[:MOST]
    return list(reversed(last))


def events_panel(order: Order) -> Panel:
    entries = entries_of(order)
    names = names_of(entry.principal for entry in entries)
    return Panel(
        title="Events",
        columns=("Time, UTC", "What", "By", "Note", "The order then", ">Version"),
        rows=[_event(entry, order.order_id, names) for entry in entries],
        empty="The journal has no entry of this order; it may have been recorded before the journal was kept.",
        note=f"the last {MOST}" if len(entries) == MOST else "",
    )


def _event(entry: JournalEntry, order_id: str, names: dict[str, str]) -> tuple[Any, ...]:
    body = codec.from_json(entry.body)
    then = [state_in_words(each) for each in body["orders"] if each["order_id"] == order_id]
    deals = [_filled(each) for each in body["deals"] if each["order_id"] == order_id]
    return (
        exactly(entry.at),
        "; ".join([VERBS.get(entry.verb, entry.verb), *deals]),
        principal_link(entry.principal, names),
        body.get("note") or columns.NEVER,
        then[-1] if then else "unchanged",
        link("orders_journalentry", entry.pk, str(entry.version)),
    )


def _filled(deal: Texts) -> str:
    profit = f", profit {deal['profit']}" if deal["entry"] == "out" else ""
    return f"{deal['side']} {deal['lots']} at {deal['price']}{profit}"


def state_in_words(order: Texts) -> str:
    """Its status, and whichever of lots, prices and levels it has."""
    open_lots, status = order.get("open_lots", "0"), order["status"]
    lots = f"{order['lots']} lots" if open_lots == "0" else f"{open_lots} of {order['lots']} lots"
    told = (
        ("at", "order_price" if status == "PENDING" else ""),
        ("stop loss", "stop_loss"),
        ("take profit", "take_profit"),
    )
    levels = [f"{words} {order[name]}" for words, name in told if order.get(name)]
    reason = order.get("reason", "")
    return ", ".join([f"{status} {lots}", *levels, *([reason] if reason not in ("", status.lower()) else [])])
