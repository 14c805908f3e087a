"""The record of trading halts."""

from django.db.models import (
    BooleanField,
    CharField,
    DateTimeField,
    F,
    Model,
    Q,
    TextField,
    UniqueConstraint,
)

from accounts.models.columns import GROUP_PATTERN, SYMBOL_PATTERN, rule, written_as
from copytrading.kernel import clock

_SCOPE_PATTERN = f"^(platform|group:{GROUP_PATTERN[1:-1]}|instrument:{SYMBOL_PATTERN[1:-1]})$"


class Halt(Model):
    """One halt of the platform, a group or an instrument, from the moment it was set until it was lifted or ran out.

    What is in force is in the book; this is who did it and why. A scope has at most one halt that was not lifted.
    """

    scope = CharField(max_length=48, help_text="platform, group:<name> or instrument:<symbol>.")
    opens_only = BooleanField(default=True, help_text="Closing goes on. Without it, everything stops.")
    reason = TextField()
    until = DateTimeField(null=True, blank=True, help_text="When it ends by itself; empty for never.")
    set_by = CharField(max_length=64, help_text="The principal, such as user:3.")
    set_at = DateTimeField(default=clock.now)
    lifted_by = CharField(max_length=64, blank=True, default="")
    lifted_at = DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            UniqueConstraint(
                fields=["scope"],
                condition=Q(lifted_at=None),
                name="halt_one_per_scope",
                violation_error_message="This is halted already; lift that halt first.",
            ),
            written_as("scope", _SCOPE_PATTERN, "Write platform, group:<name> or instrument:<symbol>."),
            rule("reason_given", ~Q(reason=""), "Say why."),
            rule("set_by_given", ~Q(set_by=""), "Name who halts."),
            rule("until_later", Q(until=None) | Q(until__gt=F("set_at")), "A halt must end after it was set."),
            rule(
                "lifted_whole",
                Q(lifted_at=None, lifted_by="")
                | Q(lifted_at__isnull=False, lifted_at__gte=F("set_at")) & ~Q(lifted_by=""),
                "A lifted halt has both who lifted it and when, after it was set.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope}: {self.reason}"
