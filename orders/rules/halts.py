"""Stops that the broker puts on trading: everywhere, for a group or for an instrument."""

from collections.abc import Iterable
from dataclasses import dataclass

from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.hours import seconds_until, utc_text


@dataclass(frozen=True, slots=True)
class Halt:
    """`scope` is "platform", "group:<name>" or "instrument:<symbol>".

    `opens_only` lets closes pass. `until_ms` is the first moment after the halt, 0 if it has no end.
    """

    scope: str
    opens_only: bool
    reason: str
    until_ms: int = 0

    def is_over(self, now_ms: int) -> bool:
        return 0 < self.until_ms <= now_ms


def check_halts(halts: Iterable[Halt], group: str, symbol: str, opening: bool, now_ms: int) -> Rejection | None:
    """Whether a halt stands against trading `symbol` in `group` now; of several, the first in order of scope."""
    scopes = {"platform", f"group:{group}", f"instrument:{symbol}"}
    for halt in sorted(halts, key=lambda each: (each.scope, each.until_ms, each.reason)):
        if halt.scope in scopes and not halt.is_over(now_ms) and (opening or not halt.opens_only):
            return _halted(halt, now_ms)
    return None


def _halted(halt: Halt, now_ms: int) -> Rejection:
    if not halt.until_ms:
        return Rejection(Reason.trading_halted, f"{halt.reason} (until further notice)", facts={"scope": halt.scope})
    until = utc_text(halt.until_ms)
    return Rejection(
        Reason.trading_halted,
        f"{halt.reason} (until {until})",
        facts={"scope": halt.scope, "until": until},
        retry_after_s=seconds_until(halt.until_ms, now_ms),
    )
