"""How the operations page writes durations, moments, outcomes and names."""

from datetime import datetime

from django import template

from copytrading.kernel import clock
from orders.audit import Outcome
from orders.book.work import DeadLetter
from workers import findings

register = template.Library()

_COLOURS = {Outcome.CLEAN: "good", Outcome.DRIFT: "warning", Outcome.LOSS: "down", Outcome.UNCHECKED: "warning"}


@register.filter
def span(seconds: float) -> str:
    return findings.span(seconds)


@register.filter
def part(check: str) -> str:
    return findings.NAMES[check]


@register.filter
def moment(stamp_ms: int) -> datetime:
    return clock.from_ms(stamp_ms)


@register.filter
def outcome(number: int) -> str:
    return {Outcome.LOSS: "loss suspected", Outcome.UNCHECKED: "not checked"}.get(
        Outcome(number), Outcome(number).name.lower()
    )


@register.filter
def outcome_colour(number: int) -> str:
    return _COLOURS[Outcome(number)]


@register.filter
def letter_name(letter: DeadLetter) -> str:
    """How the form names it: queue and id."""
    return f"{letter.queue}/{letter.id}"
