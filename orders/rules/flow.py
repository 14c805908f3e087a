"""Where an order is executed: decided once, by one total table, and stamped on the order at birth."""

from typing import Final

from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, LIVE, STRATEGY_PROVIDER
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.facts import Flow

_ANYTHING: Final = "*"

#: (kind of account, sending_orders) -> flow. A row for anything else stands beside the named settings of its kind.
_FLOWS: Final[dict[tuple[str, str], Flow]] = {
    (DEMO, _ANYTHING): "local",
    (LIVE, "rock"): "local",
    (LIVE, "barclays"): "provider",
    # A live account has no default: whoever opens it must say where its orders go.
    (STRATEGY_PROVIDER, "rock"): "local",
    (STRATEGY_PROVIDER, "barclays"): "provider",
    (STRATEGY_PROVIDER, _ANYTHING): "provider",
    (COPY_FOLLOWER, "rock"): "local",
    (COPY_FOLLOWER, "barclays"): "provider",
    (COPY_FOLLOWER, _ANYTHING): "provider",
}


def flow_for(kind: str, sending_orders: str | None) -> Flow | Rejection:
    """The flow of an account of `kind` with this setting. Total: every pair of texts has an answer."""
    kind, setting = _plain(kind), _plain(sending_orders)
    flow = _FLOWS.get((kind, setting)) or _FLOWS.get((kind, _ANYTHING))
    if flow is None:
        return Rejection(Reason.unsupported_flow, f"No flow for a {kind!r} account with sending_orders {setting!r}.")
    return flow


def route(kind: str, account_setting: str, asked: str | None, staff: bool) -> Flow | Rejection:
    """The flow of one order, whose request may carry a `sending_orders` of its own: `asked`, None or blank if not.

    Staff override the account by it. From anyone else it must lead where the account's own setting leads.
    """
    own = flow_for(kind, account_setting)
    if not _plain(asked):
        return own
    wanted = flow_for(kind, asked)
    if staff:
        return wanted
    if wanted == own or (isinstance(wanted, Rejection) and isinstance(own, Rejection)):
        return own
    return Rejection(
        Reason.routing_not_permitted,
        "The account's own setting routes its orders elsewhere.",
        fields={"sending_orders": "Leave it out, or name the account's own setting."},
    )


def _plain(setting: str | None) -> str:
    return (setting or "").strip().lower()
