"""Who may do what to which account: every role, kind of account and action, for owner and stranger, person and key."""

from itertools import product

import pytest

from accounts.access import ACTIONS, Action, Principal, check, scopes_of_role
from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, KINDS, LIVE, STRATEGY_PROVIDER
from copytrading.kernel.rejections import Reason

OWNER = 7
YES = None
NOT_PERMITTED = Reason.not_permitted
NOT_FOUND = Reason.account_not_found
TRADED_BY_OWNER = (LIVE, DEMO, STRATEGY_PROVIDER)


def person(role: str, user_id: int = OWNER) -> Principal:
    return Principal("user", user_id, "somebody", role, scopes_of_role(role), user_id)


def key(role: str, scopes: set[str], user_id: int = OWNER) -> Principal:
    return Principal("key", 900, "somebody", role, frozenset(scopes), user_id)


# One row a role: what an owner of that role, and a stranger of that role, gets for each action.
# An owner's row is for the kinds an owner trades; copy followers have their own table below.
PEOPLE: dict[str, tuple[dict[Action, Reason | None], dict[Action, Reason | None]]] = {
    "trader": (
        {"view": YES, "trade": YES, "stop_copying": NOT_PERMITTED, "dealer": NOT_PERMITTED, "configure": NOT_PERMITTED},
        dict.fromkeys(ACTIONS, NOT_FOUND),
    ),
    "strategist": (
        {"view": YES, "trade": YES, "stop_copying": NOT_PERMITTED, "dealer": NOT_PERMITTED, "configure": NOT_PERMITTED},
        dict.fromkeys(ACTIONS, NOT_FOUND),
    ),
    "support": (
        {"view": YES, "trade": YES, "stop_copying": NOT_PERMITTED, "dealer": NOT_PERMITTED, "configure": NOT_PERMITTED},
        {**dict.fromkeys(ACTIONS, NOT_PERMITTED), "view": YES},
    ),
    "dealer": (
        {**dict.fromkeys(ACTIONS, YES), "configure": NOT_PERMITTED},
        {**dict.fromkeys(ACTIONS, YES), "configure": NOT_PERMITTED},
    ),
    "administrator": (dict.fromkeys(ACTIONS, YES), dict.fromkeys(ACTIONS, YES)),
}

# What differs when the account is a copy follower: the strategy trades it, its owner may only leave.
FOLLOWER_OWNER: dict[Action, Reason | None] = {"trade": NOT_PERMITTED, "stop_copying": YES}


def reason(principal: Principal, action: Action, kind: str, owner_id: int = OWNER) -> Reason | None:
    refused = check(principal, action, kind, owner_id)
    return refused.reason if refused else None


@pytest.mark.parametrize(("role", "kind", "action"), list(product(PEOPLE, KINDS, ACTIONS)))
def test_a_person_on_an_account_of_their_own(role: str, kind: str, action: Action) -> None:
    expected = PEOPLE[role][0][action]
    if kind == COPY_FOLLOWER and role not in ("dealer", "administrator"):
        expected = FOLLOWER_OWNER.get(action, expected)

    assert reason(person(role), action, kind) is expected


@pytest.mark.parametrize(("role", "kind", "action"), list(product(PEOPLE, KINDS, ACTIONS)))
def test_a_person_on_somebody_elses_account(role: str, kind: str, action: Action) -> None:
    assert reason(person(role), action, kind, owner_id=8) is PEOPLE[role][1][action]


# (role of the key's user, scopes) -> reasons for view, trade, stop_copying, dealer, configure: own account, another's.
KEYS = [
    ("trader", {"read"}, [YES] + 4 * [NOT_PERMITTED], 5 * [NOT_FOUND]),
    ("trader", {"trade"}, [NOT_PERMITTED, YES] + 3 * [NOT_PERMITTED], 5 * [NOT_FOUND]),
    ("trader", {"read", "trade"}, [YES, YES] + 3 * [NOT_PERMITTED], 5 * [NOT_FOUND]),
    ("support", {"read"}, [YES] + 4 * [NOT_PERMITTED], [YES] + 4 * [NOT_PERMITTED]),
    ("support", {"trade"}, [NOT_PERMITTED, YES] + 3 * [NOT_PERMITTED], 5 * [NOT_FOUND]),
    ("dealer", {"read"}, [YES] + 4 * [NOT_PERMITTED], [YES] + 4 * [NOT_PERMITTED]),
    ("dealer", {"read", "trade"}, [YES, YES] + 3 * [NOT_PERMITTED], [YES] + 4 * [NOT_PERMITTED]),
    ("dealer", {"dealer"}, 4 * [YES] + [NOT_PERMITTED], 4 * [YES] + [NOT_PERMITTED]),
    ("administrator", {"read", "trade"}, [YES, YES] + 3 * [NOT_PERMITTED], [YES] + 4 * [NOT_PERMITTED]),
    ("administrator", {"dealer"}, 5 * [YES], 5 * [YES]),
]


@pytest.mark.parametrize("kind", TRADED_BY_OWNER)
@pytest.mark.parametrize(("role", "scopes", "own", "another"), KEYS)
def test_a_key_opens_its_scopes_and_no_more(
    role: str, scopes: set[str], own: list[Reason | None], another: list[Reason | None], kind: str
) -> None:
    holder = key(role, scopes)

    assert [reason(holder, action, kind) for action in ACTIONS] == own
    assert [reason(holder, action, kind, owner_id=8) for action in ACTIONS] == another


def test_a_key_with_the_trade_scope_leaves_a_strategy_but_does_not_trade_beside_it() -> None:
    holder = key("trader", {"read", "trade"})

    assert reason(holder, "stop_copying", COPY_FOLLOWER) is YES
    assert reason(holder, "trade", COPY_FOLLOWER) is NOT_PERMITTED


def test_a_hidden_account_is_told_in_the_words_of_one_that_is_not_there() -> None:
    stranger = person("trader", user_id=8)

    answers = [check(stranger, action, kind, OWNER) for action, kind in product(ACTIONS, KINDS)]

    assert {(a.reason, a.detail) for a in answers if a} == {
        (Reason.account_not_found, "There is no such account among those you may see.")
    }
    assert None not in answers


def test_principals_are_named_apart_in_commands() -> None:
    assert person("trader").name == "user:7"
    assert key("trader", {"read"}).name == "key:900"
