"""The contract of commit.lua, on real servers: what each outcome writes, which is nothing for all but DONE."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from copytrading.kernel import clock
from copytrading.kernel.errors import InvariantBroken
from orders.book import codec, keys
from orders.book.account import (
    COMMAND_LIFE_S,
    Cause,
    Changes,
    NotInBook,
    State,
    StoredAnswer,
    changed,
    commit,
    commit_call,
    load,
)
from orders.book.connection import Ledger, ledger
from orders.rules.facts import Deal, Exposure, Portfolio, Quote, Transfer
from tests.book.looking import ACCOUNT, CONFIG, SPREAD, cause, commit_as, contents, enter, opened, order, with_argument
from tests.fixtures.book import Book

D = Decimal
both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)


@both
def test_the_first_commit_makes_exactly_these_keys(book: Book) -> None:
    enter()
    held = contents(book)
    ((entry, written),) = held.pop(keys.journal(ACCOUNT))
    assert (entry, written["prev"], codec.from_json(written["body"])["verb"]) == ("1-0", "0", "entered")
    assert held == {
        keys.portfolio(ACCOUNT): {
            "version": "1", "ledger_id": "L", "balance": "10000", "credit": "0", "used_margin": "0",
            "reserved_margin": "0", "margin_called": "0",
        },
        keys.config(ACCOUNT): {
            "group": "retail", "leverage": "100", "currency": "USD", "status": "active", "sending_orders": "rock",
            "owner": "1",
        },
    }  # fmt: skip


@both
def test_done_writes_all_that_was_decided(book: Book) -> None:
    state = enter()
    born = order()
    first = replace(opened(state, born), departed={"T1": {"destination": "live:2", "amount": "5"}})
    assert commit(state.portfolio, ACCOUNT, first, cause(answer={"ok": "yes"})).outcome == "DONE"
    held = contents(book)
    assert held[keys.holding(ACCOUNT, born.order_id)] == codec.encode(born)
    assert held[keys.orders_index(ACCOUNT)] == [born.order_id]
    assert held[keys.portfolio(ACCOUNT)]["x:EURUSD"] == "0.5|0.55015|550.15|0|0|0"
    assert held[keys.transfers(ACCOUNT)] == {"T1": '{"destination":"live:2","amount":"5"}'}
    assert held[keys.command(ACCOUNT, "CMD")] == 'BODY{"ok":"yes"}'

    state = load(ACCOUNT, [born.order_id])
    closed = replace(born, status="CLOSED", open_lots=D(0), open_cost=D(0), version=3)
    second = Changes(
        changed(state.portfolio, exposures={}),
        changed=(closed,),
        config=replace(CONFIG, leverage=50),
        arrived=("T1",),
    )
    assert commit(state.portfolio, ACCOUNT, second, cause("CMD2", "close")).outcome == "DONE"
    held = contents(book)
    assert held[keys.holding(ACCOUNT, born.order_id)] == codec.encode(closed)
    assert keys.orders_index(ACCOUNT) not in held
    assert keys.transfers(ACCOUNT) not in held
    assert keys.command(ACCOUNT, "CMD2") not in held
    assert "x:EURUSD" not in held[keys.portfolio(ACCOUNT)]
    assert held[keys.config(ACCOUNT)]["leverage"] == "50"
    assert [entry for entry, _ in held[keys.journal(ACCOUNT)]] == ["1-0", "2-0", "3-0"]


def test_a_stored_answer_lives_seven_days(book: Book) -> None:
    state = enter()
    commit(state.portfolio, ACCOUNT, Changes(changed(state.portfolio)), cause(answer={"ok": "yes"}))
    assert COMMAND_LIFE_S - 60 < book.ledger.ttl(keys.command(ACCOUNT, "CMD")) <= COMMAND_LIFE_S == 604_800
    assert load(ACCOUNT, command_id="CMD").stored == StoredAnswer("BODY", {"ok": "yes"})
    assert load(ACCOUNT, command_id="OTHER").stored is None


@both
def test_each_journal_entry_names_its_predecessor(book: Book) -> None:
    enter()
    for number in range(5):
        state = load(ACCOUNT)
        made = Changes(changed(state.portfolio))
        assert commit(state.portfolio, ACCOUNT, made, cause(f"C{number}")).outcome == "DONE"
    entries = contents(book)[keys.journal(ACCOUNT)]
    assert [name for name, _ in entries] == [f"{version}-0" for version in range(1, 7)]
    assert all(later["prev"] + "-0" == name for (name, _), (_, later) in pairwise(entries))


def test_the_journal_entry_has_the_whole_decision(book: Book) -> None:
    state = enter()
    made = replace(
        opened(state, order()),
        deals=(Deal("ord_l17_A", "EURUSD", "BUY", "in", D("0.5"), D("1.1003"), D(0), D("-3.5"), D(0), 7),),
        transfers=(Transfer("live:17", "house:commission:USD", D("3.5"), "USD", "commission"),),
        quotes=(Quote("EURUSD", D("1.1"), D("1.1002"), 5, 9),),
    )
    before_ms = clock.now_ms()
    commit(state.portfolio, ACCOUNT, made, cause(answer={"ok": "yes"}, note="why"))
    body = codec.from_json(contents(book)[keys.journal(ACCOUNT)][1][1]["body"])
    assert before_ms <= body.pop("at_ms") <= clock.now_ms()
    assert body == {
        "verb": "open",
        "by": "user:1",
        "command_id": "CMD",
        "body_hash": "BODY",
        "note": "why",
        "portfolio": codec.encode_portfolio(made.portfolio),
        "orders": [codec.encode(made.born[0])],
        "deals": [codec.encode(made.deals[0])],
        "transfers": [codec.encode(made.transfers[0])],
        "quotes": [{"symbol": "EURUSD", "bid": "1.1", "ask": "1.1002", "stamp_ms": "5", "sequence": "9"}],
        "departed": {},
        "arrived": [],
        "answer": {"ok": "yes"},
    }


Try = Callable[[State], tuple[Changes, Cause]]
_BORN = order()
_NEW = order(name="b")
_NEVER_BORN = order(name="never")


def _another(state: State, **why: Any) -> tuple[Changes, Cause]:
    return opened(state, _NEW), cause(**{"command_id": "CMD2", **why})


#: Outcome -> (how to try it on an account where CMD gave birth to one order, what is answered).
REFUSED: dict[str, tuple[Try, list[Any]]] = {
    "REPLAY": (lambda state: _another(state, command_id="CMD"), ["REPLAY", 'BODY{"ok":"yes"}']),
    "MISMATCH": (lambda state: _another(state, command_id="CMD", body_hash="OTHER"), ["MISMATCH"]),
    "EXPIRED": (lambda state: _another(state, valid_until_ms=clock.now_ms() - 1000), ["EXPIRED"]),
    "CONFLICT": (lambda state: _another(replace(state, portfolio=replace(state.portfolio, version=1))), ["CONFLICT"]),
    "EXISTS": (lambda state: (opened(state, _NEW, _BORN), cause("CMD2")), ["EXISTS", 2]),
    "MISSING": (lambda state: (replace(opened(state), changed=(_NEVER_BORN,)), cause("CMD2")), ["MISSING", 1]),
}


def _traded() -> State:
    state = enter()
    assert commit(state.portfolio, ACCOUNT, opened(state, _BORN), cause(answer={"ok": "yes"})).outcome == "DONE"
    return load(ACCOUNT)


@both
@pytest.mark.parametrize("outcome", REFUSED)
def test_a_refusal_writes_nothing(book: Book, outcome: str) -> None:
    state = _traded()
    before = contents(book)
    attempt, answer = REFUSED[outcome]
    changes, why = attempt(state)
    base = replace(state.portfolio, version=changes.portfolio.version - 1)
    assert ledger().run([commit_call(base, ACCOUNT, changes, why)]) == [answer]
    assert contents(book) == before
    result = commit(base, ACCOUNT, changes, why)
    assert result.outcome == outcome
    assert result.stored == (StoredAnswer("BODY", {"ok": "yes"}) if outcome == "REPLAY" else None)


def test_checks_are_made_in_their_order(book: Book) -> None:
    """Each of these commits has every fault from its own on; the first is told."""
    state = _traded()
    changes = replace(opened(state, _BORN), changed=(_NEVER_BORN,))
    past = clock.now_ms() - 1000
    for why, expected, outcome in (
        (cause("CMD", body_hash="BODY", valid_until_ms=past), "1", "REPLAY"),
        (cause("CMD", body_hash="OTHER", valid_until_ms=past), "1", "MISMATCH"),
        (cause("CMD2", valid_until_ms=past), "1", "EXPIRED"),
        (cause("CMD2", valid_until_ms=0), "1", "CONFLICT"),
        (cause("CMD2", valid_until_ms=0), "2", "EXISTS"),
    ):
        assert ledger().run([commit_as(state, changes, why, expected=expected)])[0][0] == outcome


def test_a_price_holds_until_its_moment(book: Book) -> None:
    state = _traded()
    seconds, microseconds = book.ledger.time()
    until = seconds * 1000 + microseconds // 1000 + 60_000
    changes, why = _another(state, valid_until_ms=until)
    assert commit(state.portfolio, ACCOUNT, changes, why).outcome == "DONE"


@pytest.mark.parametrize("written", ["02", "2.0", "2e0", " 2", "2 ", "", "1", "3", "-2", "two", "٢"])
def test_a_version_is_compared_as_text(book: Book, written: str) -> None:
    state = _traded()
    assert state.portfolio.version == 2
    before = contents(book)
    assert ledger().run([commit_as(state, *_another(state), expected=written)]) == [["CONFLICT"]]
    assert contents(book) == before
    assert ledger().run([commit_as(state, *_another(state), expected="2")]) == [["DONE"]]


def test_versions_that_a_double_can_not_tell_apart(book: Book) -> None:
    huge = 2**53
    before = Portfolio(huge - 1, "L")
    made = Changes(replace(before, version=huge), config=CONFIG)
    assert commit(before, ACCOUNT, made, cause("", "rebuilt")).outcome == "DONE"
    state = load(ACCOUNT)
    assert state.portfolio.version == 9007199254740992
    assert ledger().run([commit_as(state, *_another(state), expected="9007199254740993")]) == [["CONFLICT"]]
    assert commit(state.portfolio, ACCOUNT, *_another(state)).outcome == "DONE"
    assert load(ACCOUNT).portfolio.version == 9007199254740993
    assert [name for name, _ in contents(book)[keys.journal(ACCOUNT)]] == ["9007199254740992-0", "9007199254740993-0"]


def test_a_journal_that_refuses_the_entry_stops_the_whole_commit(book: Book) -> None:
    """The entry is the first write: when Redis refuses it nothing else has been written."""
    state = _traded()
    book.ledger.xadd(keys.journal(ACCOUNT), {"prev": "2", "body": "{}"}, id="9-0")
    before = contents(book)
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        commit(state.portfolio, ACCOUNT, *_another(state))
    assert contents(book) == before


@both
def test_more_fields_than_unpack_takes_at_once(book: Book) -> None:
    state = enter()
    exposure = Exposure(D("0.5"), D("0.55015"), D("550.15"))
    many = {f"S{number:04}": exposure for number in range(1500)}
    orders = tuple(order(name=f"o{number}") for number in range(300))
    made = Changes(
        changed(state.portfolio, exposures=many),
        born=orders,
        departed={f"T{number}": {"amount": "1"} for number in range(1200)},
    )
    assert commit(state.portfolio, ACCOUNT, made, cause()).outcome == "DONE"
    state = load(ACCOUNT, all_orders=True)
    assert state.portfolio.exposures == many
    assert state.orders == {each.order_id: each for each in orders}
    assert len(state.under_way) == 1200

    flat = Changes(changed(state.portfolio, exposures={}), arrived=tuple(sorted(state.under_way)))
    assert commit(state.portfolio, ACCOUNT, flat, cause("CMD2")).outcome == "DONE"
    after = load(ACCOUNT)
    assert (after.portfolio.exposures, after.under_way) == ({}, {})
    assert len(contents(book)[keys.portfolio(ACCOUNT)]) == 7


@both
def test_accounts_do_not_touch_each_other(book: Book) -> None:
    for account in SPREAD:
        enter(account)
    before = contents(book)
    state = load(SPREAD[1])
    assert commit(state.portfolio, SPREAD[1], opened(state, order(SPREAD[1])), cause()).outcome == "DONE"
    changed_keys = {key for key, value in contents(book).items() if before.get(key) != value}
    assert all(f"{{{SPREAD[1]}}}" in key for key in changed_keys)
    assert len(changed_keys) == 4  # portfolio, journal, index, holding


def test_the_cluster_really_spreads_these_accounts() -> None:
    assert {key_slot(str(account).encode()) * 3 // 16384 for account in SPREAD} == {0, 1, 2}


def test_a_commit_moves_the_version_by_one(book: Book) -> None:
    state = enter()
    leap = Changes(replace(state.portfolio, version=3))
    with pytest.raises(InvariantBroken, match="moves the version by one, not 1 -> 3"):
        commit(state.portfolio, ACCOUNT, leap, cause())
    with pytest.raises(InvariantBroken, match="not 1 -> 1"):
        commit(state.portfolio, ACCOUNT, Changes(state.portfolio), cause())


def test_only_an_account_with_a_version_is_in_the_book(book: Book) -> None:
    enter()
    for stray in (keys.config(ACCOUNT), keys.orders_index(ACCOUNT)):
        assert book.ledger.exists(stray) == (stray == keys.config(ACCOUNT))
    book.ledger.hdel(keys.portfolio(ACCOUNT), "version")
    with pytest.raises(NotInBook, match="account live:17 is not in the book"):
        load(ACCOUNT)


def test_an_entry_never_overwrites(book: Book) -> None:
    """An account that has a version is not begun anew, whoever thinks it isn't there."""
    enter(balance="10000")
    again = Changes(Portfolio(1, "L2", balance=D(0)), config=CONFIG)
    assert commit(Portfolio(0, "L2"), ACCOUNT, again, cause("", "entered")).outcome == "CONFLICT"
    assert load(ACCOUNT).portfolio.balance == D(10000)


def test_an_order_that_ended_leaves_the_index_and_stays_readable(book: Book) -> None:
    state = _traded()
    ended = replace(_BORN, status="CANCELLED", open_lots=D(0), open_cost=D(0), version=3)
    made = Changes(changed(state.portfolio, exposures={}), changed=(ended,))
    assert commit(state.portfolio, ACCOUNT, made, cause("CMD2", "cancel")).outcome == "DONE"
    assert load(ACCOUNT, all_orders=True).orders == {}
    assert load(ACCOUNT, [_BORN.order_id]).orders == {_BORN.order_id: ended}
    assert book.ledger.ttl(keys.holding(ACCOUNT, _BORN.order_id)) == -1


def test_a_count_that_lies_is_refused_before_anything_is_written(book: Book) -> None:
    """ARGV is cut by its own counts; one that runs past the end fails while it is read, not while it is written."""
    state = _traded()
    before = contents(book)
    call = with_argument(commit_call(state.portfolio, ACCOUNT, *_another(state)), 8, "100000")
    with pytest.raises(redis.ResponseError):
        ledger().run([call])
    assert contents(book) == before


@both
def test_the_version_is_read_before_anything_else(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read after its version can at worst cause a CONFLICT; what is read before it may be older than that."""
    enter()
    sent: list[tuple[Any, ...]] = []
    send = Ledger._send

    def noted(self: Ledger, client: Any, calls: Any, asking: bool) -> Any:
        sent.extend(args for _, args in calls)
        return send(self, client, calls, asking)

    monkeypatch.setattr(Ledger, "_send", noted)
    load(ACCOUNT, [_BORN.order_id], "CMD", all_orders=True)
    assert sent[0] == ("HGETALL", keys.portfolio(ACCOUNT))
    assert len(sent) == len(set(sent)) == 8
