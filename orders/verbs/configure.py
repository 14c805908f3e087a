"""Change what an account is allowed: group, leverage, status, sending_orders. In force for what commits after it."""

from collections.abc import Mapping
from dataclasses import replace

from accounts.terms import Catalogue
from copytrading.kernel.rejections import Reason, Rejection
from orders.book.account import Changes, changed
from orders.book.codec import encode
from orders.messages import Configure, Done
from orders.rules import admission, margin
from orders.rules.facts import Config, Order, Portfolio
from orders.verbs.attempt import Decision, Gathered, Needs, attempt, first_refusal

STATUSES = ("active", "close_only", "read_only", "disabled")
SENDING_ORDERS = ("", "rock", "barclays")


def configure(command: Configure) -> Done | Rejection:
    return attempt(command, lambda gathered: _decide(command, gathered), Needs(all_orders=True, prices=False))


def _decide(command: Configure, gathered: Gathered) -> Decision | Rejection:
    before, desk = gathered.state.config, gathered.desk
    after = _configured(before, command)
    if refused := first_refusal(
        lambda: _check_choices(after),
        lambda: admission.check_leverage(after.leverage),
        lambda: _check_group(after, desk.catalogue, gathered.state.portfolio, gathered.state.orders),
    ):
        return refused
    portfolio = _measured_anew(gathered.state.portfolio, after, desk.catalogue)
    return Decision(
        Changes(changed(portfolio), config=after),
        {"before": encode(before), "after": encode(after)},
    )


def _configured(config: Config, command: Configure) -> Config:
    wanted = {name: getattr(command, name) for name in ("group", "leverage", "status", "sending_orders")}
    return replace(config, **{name: value for name, value in wanted.items() if value is not None})


def _check_choices(config: Config) -> Rejection | None:
    for name, value, choices in (
        ("status", config.status, STATUSES),
        ("sending_orders", config.sending_orders, SENDING_ORDERS),
    ):
        if value not in choices:
            listed = ", ".join(choice or "(empty)" for choice in choices)
            return Rejection(Reason.invalid_fields, f"{value!r} is no {name}.", {name: f"Use one of: {listed}."})
    return None


def _check_group(
    config: Config, catalogue: Catalogue, portfolio: Portfolio, orders: Mapping[str, Order]
) -> Rejection | None:
    """The group must exist, trade the account's currency, and offer whatever the account has now."""
    group = catalogue.groups.get(config.group)
    if group is None:
        return Rejection(Reason.missing_group_data, f"There is no group {config.group!r}.")
    if group.currency != config.currency:
        detail = f"Group {group.name} is in {group.currency}, the account in {config.currency}."
        return Rejection(Reason.currency_mismatch, detail)
    live = {*portfolio.exposures, *(order.symbol for order in orders.values())}
    if missing := sorted(symbol for symbol in live if (group.name, symbol) not in catalogue.terms):
        return Rejection(Reason.open_orders_exist, f"Group {group.name} does not offer {', '.join(missing)}.")
    return None


def _measured_anew(portfolio: Portfolio, config: Config, catalogue: Catalogue) -> Portfolio:
    """Margins of orders stay as they are; how legs are set against each other is the group's."""
    group = catalogue.groups[config.group]
    terms = {symbol: catalogue.terms[group.name, symbol] for symbol in portfolio.exposures}
    digits = catalogue.currency_digits[config.currency]
    used = margin.used_margin(portfolio.exposures, group.hedging_mode, terms, digits)
    return replace(portfolio, used_margin=used)
