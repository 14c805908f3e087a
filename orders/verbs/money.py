"""Deposits, withdrawals, corrections, credit, and transfers between accounts.

A transfer between accounts is three commits with one transfer id: the debit (which keeps the
destination in `user_transfers`), the credit (its command id is the transfer id, never refused), and
the debit account's note that it arrived. What a crash leaves between them the sweeper finishes.
"""

from dataclasses import replace
from decimal import Decimal

from copytrading.kernel.decimals import ZERO, money, text
from copytrading.kernel.errors import InvariantBroken, LedgerUnavailable, OutcomeUnknown
from copytrading.kernel.ids import AccountRef, command_id
from copytrading.kernel.rejections import Reason, Rejection
from orders.answers import show_transfer
from orders.book import announce, guard
from orders.book.account import Cause, Changes, NotInBook, changed, commit, load
from orders.messages import Done, MoneyKind, MoveMoney, TransferBetween
from orders.rules import admission, valuation
from orders.rules.facts import Portfolio, Transfer
from orders.settlement import house
from orders.verbs.admit import measure
from orders.verbs.attempt import ATTEMPTS, Decision, Gathered, Needs, Prices, attempt, first_refusal

#: The broker's own account on the other side of each kind of movement.
_COUNTERPART: dict[MoneyKind, str] = {
    "deposit": "bank",
    "withdrawal": "bank",
    "correction": "error",
    "credit_in": "credit",
    "credit_out": "credit",
}
_CREDITS = ("credit_in", "credit_out")


def move(command: MoveMoney) -> Done | Rejection:
    needs = Needs(prices=command.kind == "withdrawal")
    return attempt(command, lambda gathered: _move(command, gathered), needs)


def transfer(command: TransferBetween) -> Done | Rejection:
    """The debit decides; the answer says whether the money has `arrived` or is `under_way` (the sweeper sees to it)."""
    if refused := _check_destination(command):
        return refused
    done = attempt(command, lambda gathered: _depart(command, gathered), Needs())
    if isinstance(done, Rejection):
        return done
    try:
        arrived = finish_transfer(command.account, done.command_id)
    except (LedgerUnavailable, OutcomeUnknown):
        arrived = False
    return replace(done, answer={**done.answer, "state": "arrived" if arrived else "under_way"})


def finish_transfer(source: AccountRef, transfer_id: str) -> bool:
    """Credits what has left `source` under this id, if it has not arrived, and notes the arrival. True when it has."""
    state = load(source)
    leaving = state.under_way.get(transfer_id)
    if leaving is None:
        return True
    destination = AccountRef.parse(leaving["destination"])
    return _arrive(source, destination, transfer_id, leaving) and _note_arrival(source, transfer_id)


def _move(command: MoveMoney, gathered: Gathered) -> Decision | Rejection:
    desk, before = gathered.desk, gathered.state.portfolio
    if refused := _check_amount(command.amount, desk.digits, signed=command.kind == "correction"):
        return refused
    inward = command.kind in ("deposit", "credit_in") or (command.kind == "correction" and command.amount > 0)
    amount = abs(command.amount)
    if not inward and command.kind != "correction" and (short := _check_funds(command.kind, amount, gathered)):
        return short
    signed = amount if inward else -amount
    held = before.credit if command.kind in _CREDITS else before.balance
    if refused := admission.check_money(command.amount, held + signed):
        return refused
    if command.kind in _CREDITS:
        after = changed(before, credit=held + signed)
    else:
        after = changed(before, balance=held + signed)
    account, other = str(command.account), house(_COUNTERPART[command.kind], desk.config.currency)
    debit, credit = (other, account) if inward else (account, other)
    line = Transfer(debit, credit, amount, desk.config.currency, command.kind, reason=command.reason)
    return Decision(
        Changes(after, transfers=(line,)),
        {"transfer": show_transfer(line), "balance": text(after.balance), "credit": text(after.credit)},
        Prices(tuple(before.exposures)) if command.kind == "withdrawal" else Prices(),
    )


def _depart(command: TransferBetween, gathered: Gathered) -> Decision | Rejection:
    desk, before = gathered.desk, gathered.state.portfolio
    if refused := first_refusal(
        lambda: _check_amount(command.amount, desk.digits),
        lambda: admission.check_status(desk.config.status, False, command.staff),
        lambda: _check_funds("withdrawal", command.amount, gathered),
    ):
        return refused
    currency = desk.config.currency
    line = Transfer(
        str(command.account), house("transit", currency), command.amount, currency, "transfer",
        reason=command.reason, transfer_id=gathered.command_id,
    )  # fmt: skip
    leaving = {
        "destination": str(command.destination),
        "amount": text(command.amount),
        "currency": currency,
        "reason": command.reason,
        "at_ms": str(gathered.at_ms),
    }
    after = changed(before, balance=before.balance - command.amount)
    return Decision(
        Changes(after, transfers=(line,), departed={gathered.command_id: leaving}),
        {
            "transfer": show_transfer(line),
            "destination": str(command.destination),
            "balance": text(after.balance),
            "credit": text(after.credit),
        },
        Prices(tuple(before.exposures)),
    )


def _check_destination(command: TransferBetween) -> Rejection | None:
    if command.destination == command.account:
        advice = {"destination": "Name another."}
        return Rejection(Reason.invalid_fields, "Source and destination are one account.", advice)
    if not _in_book(command.destination):
        return Rejection(Reason.account_not_found, f"There is no account {command.destination}.")
    if not _in_book(command.account):
        return Rejection(Reason.account_not_found, f"There is no account {command.account}.")
    source, destination = load(command.account).config, load(command.destination)
    if source.currency != destination.config.currency:
        detail = f"{source.currency} can't go to an account in {destination.config.currency}."
        return Rejection(Reason.currency_mismatch, detail)
    return admission.check_money(command.amount, destination.portfolio.balance + command.amount)


def _in_book(account: AccountRef) -> bool:
    try:
        load(account)
    except NotInBook:
        return guard.enter(account)
    return True


def _check_amount(amount: Decimal, digits: int, *, signed: bool = False) -> Rejection | None:
    if amount == money(amount, digits) and (amount > ZERO or (signed and amount < ZERO)):
        return None
    wanted = f"Give {'an' if signed else 'a positive'} amount with at most {digits} decimals."
    return Rejection(Reason.invalid_fields, f"{text(amount)} is no amount.", {"amount": wanted})


def _check_funds(kind: str, amount: Decimal, gathered: Gathered) -> Rejection | None:
    before: Portfolio = gathered.state.portfolio
    if kind == "credit_out":
        available = before.credit
    else:
        held = {symbol: gathered.desk.terms[symbol] for symbol in before.exposures}
        if stale := valuation.check_held_quotes(held, gathered.desk.market):
            return stale
        measured = measure(before, gathered.desk)
        if isinstance(measured, Rejection):
            return measured
        available = valuation.withdrawable(measured, before.balance, before.credit)
    if amount <= available:
        return None
    shown = {"required": text(amount), "available": text(available)}
    return Rejection(Reason.insufficient_funds, f"At most {text(available)} can be taken out now.", facts=shown)


def _arrive(source: AccountRef, destination: AccountRef, transfer_id: str, leaving: dict[str, str]) -> bool:
    amount, currency = Decimal(leaving["amount"]), leaving["currency"]
    line = Transfer(
        house("transit", currency), str(destination), amount, currency, "transfer",
        reason=leaving["reason"], transfer_id=transfer_id,
    )  # fmt: skip
    for _ in range(ATTEMPTS):
        state = load(destination, command_id=transfer_id)
        if state.stored:
            return True
        after = changed(state.portfolio, balance=state.portfolio.balance + amount)
        changes = Changes(after, transfers=(line,))
        told = {"transfer": show_transfer(line)}
        cause = Cause("transfer_in", transfer_id, "transfer", f"system:{source}", answer=told)
        result = commit(state.portfolio, destination, changes, cause)
        if result.outcome == "DONE":  # of a replay these changes are not what was written, nor this the version
            announce.after(destination, changes, state.config.group)
        if result.outcome in ("DONE", "REPLAY"):
            return True
        if result.outcome != "CONFLICT":
            raise InvariantBroken(f"transfer {transfer_id} to {destination}: {result.outcome}; run audit")
    return False


def _note_arrival(source: AccountRef, transfer_id: str) -> bool:
    named = command_id("system:transfer", source, "arrived", transfer_id)
    for _ in range(ATTEMPTS):
        state = load(source)
        if transfer_id not in state.under_way:
            return True
        changes = Changes(changed(state.portfolio), arrived=(transfer_id,))
        result = commit(state.portfolio, source, changes, Cause("transfer_out", named, "arrived", "system:transfer"))
        if result.outcome == "DONE":
            announce.after(source, changes, state.config.group)
        if result.outcome in ("DONE", "REPLAY"):
            return True
    return False
