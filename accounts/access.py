"""Who may do what to which account: one function, asked by every view before anything else.

An account that the principal may not see is never admitted to exist: the answer is the same
`account_not_found` as for an account that is not there.
"""

from dataclasses import dataclass
from typing import Literal

from copytrading.kernel.ids import COPY_FOLLOWER
from copytrading.kernel.rejections import Reason, Rejection

#: `view` to look, `trade` to give orders, `stop_copying` to leave a strategy, `dealer` for what only the broker does
#: (money, other people's orders, routing, status), `configure` for terms (group, leverage).
Action = Literal["view", "trade", "stop_copying", "dealer", "configure"]
ACTIONS: tuple[Action, ...] = ("view", "trade", "stop_copying", "dealer", "configure")

READ = "read"
TRADE = "trade"
DEALER = "dealer"

_NEEDED_SCOPE: dict[Action, str] = {
    "view": READ,
    "trade": TRADE,
    "stop_copying": TRADE,
    "dealer": DEALER,
    "configure": DEALER,
}
_LOOKING_ROLES = frozenset({"support", "dealer", "administrator"})
_DEALING_ROLES = frozenset({"dealer", "administrator"})

ACCOUNT_NOT_FOUND = Rejection(Reason.account_not_found, "There is no such account among those you may see.")
ORDER_NOT_FOUND = Rejection(Reason.order_not_found, "There is no such order on the account named.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a person who logged in, or a service with an API key that acts for the person `user_id`.

    `id` is the user's or the key's, `role` the person's. A person has every scope the role allows;
    a key has the scopes it was issued with and no others.
    """

    kind: Literal["user", "key"]
    id: int
    username: str
    role: str
    scopes: frozenset[str]
    user_id: int

    @property
    def name(self) -> str:
        """How commands, journal and logs name the principal: "user:3", "key:8"."""
        return f"{self.kind}:{self.id}"

    @property
    def pk(self) -> str:
        return self.name

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def deals(self) -> bool:
        """Whether the principal acts as the broker: on every account, whoever owns it."""
        return DEALER in self.scopes

    @property
    def looks_everywhere(self) -> bool:
        return self.deals or (READ in self.scopes and self.role in _LOOKING_ROLES)


def scopes_of_role(role: str) -> frozenset[str]:
    """What a person of `role` may do who logged in."""
    return frozenset({READ, TRADE, DEALER} if role in _DEALING_ROLES else {READ, TRADE})


def check(principal: Principal, action: Action, kind: str, owner_id: int) -> Rejection | None:
    """None if `principal` may do `action` to an account of `kind` that user `owner_id` owns, else why not."""
    if action == "configure":
        administrates = principal.deals and principal.role == "administrator"
        return None if administrates else _refusal(principal, action, owner_id)
    if principal.deals or (action == "view" and principal.looks_everywhere):
        return None
    owned = principal.user_id == owner_id
    if owned and _NEEDED_SCOPE[action] in principal.scopes and _owner_may(action, kind):
        return None
    return _refusal(principal, action, owner_id)


def _owner_may(action: Action, kind: str) -> bool:
    """A copy follower's orders are run by its strategy: its owner may leave the strategy, not trade beside it."""
    match action:
        case "view":
            return True
        case "trade":
            return kind != COPY_FOLLOWER
        case "stop_copying":
            return kind == COPY_FOLLOWER
        case _:
            return False


_NOT_FOR_YOU: dict[Action, str] = {
    "view": "Your role may not look at accounts of others.",
    "trade": "Only its owner and dealers trade an account, and the orders of a copy follower are its strategy's.",
    "stop_copying": "Only a copy follower's owner and dealers may take it out of its strategy.",
    "dealer": "Only dealers move money and act as the broker.",
    "configure": "Only administrators change what an account may do.",
}


def _refusal(principal: Principal, action: Action, owner_id: int) -> Rejection:
    visible = principal.looks_everywhere or principal.user_id == owner_id
    if not visible:
        return ACCOUNT_NOT_FOUND
    if principal.kind == "key" and _NEEDED_SCOPE[action] not in principal.scopes:
        return Rejection(Reason.not_permitted, f"This API key lacks the scope {_NEEDED_SCOPE[action]}.")
    return Rejection(Reason.not_permitted, _NOT_FOR_YOU[action])
