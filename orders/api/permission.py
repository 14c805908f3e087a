"""Whose account is it, and may the principal do this to it: asked before any command and any answer."""

from accounts.access import ACCOUNT_NOT_FOUND, ORDER_NOT_FOUND, READ, Action, Principal, check
from accounts.api.problems import Refused
from accounts.models import model_of
from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import AccountRef
from copytrading.kernel.rejections import Reason, Rejection
from copytrading.telemetry import about_request
from orders.book import keys
from orders.book.connection import ReplyLost, ledger


def forget_owners() -> None:
    """As after the start of this process."""
    _owners.clear()


def require(asker: Principal, action: Action, account: AccountRef) -> None:
    """Raises Refused; an account that is not there and one that is hidden get the same answer."""
    about_request(account=str(account))
    owner_id = owner_of(account)
    refused = ACCOUNT_NOT_FOUND if owner_id is None else check(asker, action, account.kind, owner_id)
    if refused:
        raise Refused(refused)


def require_of_order(asker: Principal, action: Action, account: AccountRef) -> None:
    """As `require`, where only an order of the account was named: that is what is not found."""
    try:
        require(asker, action, account)
    except Refused as refused:
        hidden = refused.rejection.reason is Reason.account_not_found
        raise (Refused(ORDER_NOT_FOUND) if hidden else refused) from None


def require_reading(asker: Principal) -> None:
    """For what belongs to nobody, or to whoever asks. Raises Refused."""
    if READ not in asker.scopes and not asker.deals:
        raise Refused(Rejection(Reason.not_permitted, f"This API key lacks the scope {READ}."))


#: Owners of accounts in the book, who stay what they are. The oldest are forgotten first.
_owners: dict[AccountRef, int] = {}
_REMEMBERED = 100_000


def owner_of(account: AccountRef) -> int | None:
    """The user who owns it, None if there is no such account. The record is asked only for one not yet in the book."""
    if (known := _owners.get(account)) is not None:
        return known
    key = keys.config(account)
    try:
        owner = ledger().run([(key, ("HGET", key, "owner"))])[0]
    except ReplyLost as error:
        raise LedgerUnavailable(f"the ledger broke off while it was read ({error}); nothing was done") from error
    if owner is not None:
        while len(_owners) >= _REMEMBERED:
            _owners.pop(next(iter(_owners)), None)
        _owners[account] = int(owner)
        return int(owner)
    rows = model_of(account.kind)._default_manager.filter(pk=account.id)  # noqa: SLF001  a documented part of Django
    return rows.values_list("owner_id", flat=True).first()
