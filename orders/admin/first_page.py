"""The first page: what an operator wants to know before anything else. Every question to the database is bounded."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

import redis
from django.contrib import admin
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin.access import exactly
from accounts.admin.links import account_link, link, names_of, order_link, principal_link, subject_link
from accounts.models import ACCOUNT_MODELS, AuditEntry
from accounts.models import Halt as HaltRecord
from copytrading.kernel import clock
from copytrading.kernel.decimals import text
from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, LIVE, STRATEGY_PROVIDER
from orders.admin import shown
from orders.admin.columns import currencies_of
from orders.admin.panels import Panel
from orders.admin.record import OUTCOME_COLOURS, OUTCOMES
from orders.audit import Outcome
from orders.book.connection import ReplyLost
from orders.models import AuditReport, Deal, Order
from orders.verbs.halt import standing

#: How far a figure is counted; beyond, it says "more than".
MOST = 100_000
#: How many of today's deals the volumes are made of.
MOST_SUMMED = 20_000
LINES = 10

_KINDS = {
    LIVE: "Live accounts",
    DEMO: "Demo accounts",
    STRATEGY_PROVIDER: "Strategy providers",
    COPY_FOLLOWER: "Copy followers",
}

admin.site.index_template = "orders/first_page.html"
admin.site.index_title = "Dashboard"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with what it counts; `tone` is the colour of a number that asks for attention."""

    name: str
    value: str
    href: str
    note: str = ""
    tone: str = ""


def figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the page shows. The ledger may be away: then the page says so and shows what the record knows."""
    now = clock.now()
    midnight = datetime.combine(now.date(), time.min, now.tzinfo)
    halts, away = _halts(now)
    called = _margin_calls()
    return context | {
        "as_of": f"{now:%Y-%m-%d %H:%M:%S} UTC",
        "away": away,
        "figures": [*_orders(midnight), _called(called), _halted(halts), *_accounts(), _ledger(away), _audited()],
        "panels": [_last_deals(), _volumes(midnight), called, halts, _last_acts()],
    }


def _accounts() -> list[Figure]:
    return [
        Figure(_KINDS[kind], counted(model.objects.all()), _list_of(model)) for kind, model in ACCOUNT_MODELS.items()
    ]


def _orders(midnight: datetime) -> list[Figure]:
    page = _list_of(Order)
    since = f"{midnight:%Y-%m-%d}"
    return [
        Figure("Open orders", counted(Order.objects.filter(status="OPEN")), f"{page}?status=OPEN"),
        Figure("Resting orders", counted(Order.objects.filter(status="PENDING")), f"{page}?status=PENDING"),
        Figure(
            "Orders today", counted(Order.objects.filter(created_at__gte=midnight)),
            f"{page}?created_at_from_0={since}", "since 00:00 UTC",
        ),
        Figure(
            "Deals today", counted(Deal.objects.filter(at__gte=midnight)),
            f"{_list_of(Deal)}?at_from_0={since}", "since 00:00 UTC",
        ),
    ]  # fmt: skip


def _margin_calls() -> Panel:
    called = [row for model in ACCOUNT_MODELS.values() for row in model.objects.filter(margin_called=True)[: LINES + 1]]
    return Panel(
        title="In margin call",
        columns=("Account", "Group", ">Balance", ">Credit"),
        rows=[
            (
                account_link(str(row.ref)), row.group_id,
                shown.money(row.balance, row.currency), shown.money(row.credit, row.currency),
            )
            for row in called[:LINES]
        ],
        empty="No account is in margin call. One that falls to its group's margin call level stands here.",
        note=f"the first {LINES}" if len(called) > LINES else "",
    )  # fmt: skip


def _called(panel: Panel) -> Figure:
    value = f"{LINES}+" if panel.note else str(len(panel.rows))
    return Figure("Margin calls now", value, "#in-margin-call", tone="warning" if panel.rows else "")


def _halts(now: datetime) -> tuple[Panel, str]:
    """What is in force in the book, or by the record when the book can't be asked."""
    recorded = HaltRecord.objects.filter(lifted_at=None).filter(Q(until=None) | Q(until__gt=now))[:LINES]
    set_by = {row.scope: row for row in recorded}
    names = names_of(row.set_by for row in recorded)
    away = ""
    try:
        now_ms = clock.to_ms(now)
        halts = [
            (each.scope, each.opens_only, each.reason, clock.from_ms(each.until_ms) if each.until_ms else None)
            for each in standing()
            if not 0 < each.until_ms <= now_ms
        ]
    except (LedgerUnavailable, ReplyLost, redis.RedisError) as error:
        away = str(error).strip().splitlines()[0]
        halts = [(row.scope, row.opens_only, row.reason, row.until) for row in recorded]
    panel = Panel(
        title="Halts in force",
        columns=("What", "Stops", "Why", "Until", "By"),
        rows=[
            (
                subject_link(scope), "opening" if opens_only else "everything", reason,
                exactly(until) if until else "until lifted",
                principal_link(set_by[scope].set_by, names) if scope in set_by else "",
            )
            for scope, opens_only, reason, until in halts
        ],
        empty="Nothing is halted. A halt of the platform, a group or an instrument stands here until it is lifted.",
        note="as recorded: the ledger can't be asked" if away else "",
        more=_list_of(HaltRecord),
    )  # fmt: skip
    return panel, away


def _halted(panel: Panel) -> Figure:
    return Figure("Halts in force", str(len(panel.rows)), "#halts-in-force", tone="danger" if panel.rows else "")


def _ledger(away: str) -> Figure:
    words, tone = ("away", "danger") if away else ("answers", "success")
    return Figure("Ledger", words, reverse("readyz"), "the live book", tone)


def _audited() -> Figure:
    report = AuditReport.objects.first()
    page = _list_of(AuditReport)
    if report is None:
        return Figure("Last book audit", "none yet", page, "each night")
    words = OUTCOMES[Outcome(report.outcome)]
    tone = OUTCOME_COLOURS[words]
    return Figure("Last book audit", words, f"{page}{report.pk}/change/", f"{report.at:%Y-%m-%d %H:%M} UTC", tone)


def _last_deals() -> Panel:
    deals = list(Deal.objects.all()[:LINES])
    currencies = currencies_of({deal.account for deal in deals})
    return Panel(
        title="Last deals",
        columns=("Time, UTC", "Account", "Order", "Deal", ">Lots", "Symbol", ">Price", ">Profit"),
        rows=[
            (
                link("orders_deal", deal.pk, f"{deal.at:%H:%M:%S}"), account_link(deal.account),
                order_link(deal.order_id), f"{deal.side} {deal.entry}", text(deal.lots), deal.symbol,
                shown.quoted(deal.price, deal.symbol),
                shown.money(deal.profit, currencies.get(deal.account, "")) if deal.entry == "out" else "",
            )
            for deal in deals
        ],
        empty="No deal yet. The last fills of all accounts stand here, newest first.",
        more=_list_of(Deal),
    )  # fmt: skip


def _volumes(midnight: datetime) -> Panel:
    today = Deal.objects.filter(at__gte=midnight)
    summed = today.filter(pk__in=today.order_by("-at", "-id").values("pk")[:MOST_SUMMED])
    volumes = summed.order_by().values("symbol").annotate(lots=Sum("lots"), deals=Count("pk")).order_by("-lots")
    rows = list(volumes[:LINES])
    most = max((row["lots"] for row in rows), default=1)
    capped = sum(row["deals"] for row in rows) >= MOST_SUMMED
    return Panel(
        title="Volume today",
        columns=("Symbol", ">Deals", ">Lots", ""),
        rows=[
            (row["symbol"], f"{row['deals']:,}", text(row["lots"]), _bar(int(100 * row["lots"] / most))) for row in rows
        ],
        empty="Nothing was traded since 00:00 UTC. Lots of each symbol stand here, the most traded first.",
        note=f"of the last {MOST_SUMMED:,} deals" if capped else "lots in and out since 00:00 UTC",
    )


def _bar(percent: int) -> str:
    return format_html('<span class="desk-bar" style="width: {}%"></span>', max(1, percent))


def _last_acts() -> Panel:
    entries = list(AuditEntry.objects.all()[:LINES])
    names = names_of(name for entry in entries for name in (entry.principal, entry.subject))
    return Panel(
        title="Audit log",
        columns=("Time, UTC", "Who", "Did", "To", "Outcome", "Why"),
        rows=[
            (
                link("accounts_auditentry", entry.pk, f"{entry.at:%m-%d %H:%M:%S}"),
                principal_link(entry.principal, names), entry.action.replace("_", " "),
                subject_link(entry.subject, names), entry.outcome, entry.reason,
            )
            for entry in entries
        ],
        empty="The audit log is empty. Whatever staff, administrators and services do stands here, with the reason.",
        more=_list_of(AuditEntry),
    )  # fmt: skip


def counted(rows: "QuerySet[Any]") -> str:
    """As far as MOST."""
    count = rows.order_by().values("pk")[: MOST + 1].count()
    return f"{MOST:,}+" if count > MOST else f"{count:,}"


def _list_of(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")  # noqa: SLF001  Django's own
