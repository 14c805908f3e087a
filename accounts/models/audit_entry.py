"""Who did what, when and why, with what it was before and after: a log that only grows."""

from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db.models import CharField, DateTimeField, Index, JSONField, Model, Q, TextField

from accounts.models.columns import rule
from copytrading.kernel import clock


class AuditEntry(Model):
    """One act of a person or a service, done or refused. A trigger refuses every change and deletion.

    `subject` is what it was done to: an account ("live:17"), an order id, "group:demo", "user:3".
    `outcome` is "done" or the reason it was refused for.
    """

    at = DateTimeField(default=clock.now)
    principal = CharField(max_length=64, help_text="Who: user:3, key:8, console:name, or nobody known yet.")
    action = CharField(max_length=32)
    subject = CharField(max_length=64, blank=True)
    outcome = CharField(max_length=32)
    reason = TextField(blank=True, help_text="Why, in the words of whoever did it.")
    before: "JSONField[Any, Any]" = JSONField(null=True)
    after: "JSONField[Any, Any]" = JSONField(null=True)
    address = CharField(max_length=64, blank=True)
    request = CharField(max_length=64, blank=True, help_text="The request's id, which its log lines have as well.")

    class Meta:
        verbose_name = "audit log entry"
        verbose_name_plural = "audit log"
        ordering = ["-id"]
        indexes = [
            Index(fields=["subject", "-id"], name="audit_of_subject"),
            Index(fields=["principal", "-id"], name="audit_of_principal"),
            Index(fields=["action", "-id"], name="audit_of_action"),
            Index(fields=["-id"], condition=~Q(outcome="done"), name="audit_of_refusals"),
            BrinIndex(fields=["at"], name="audit_by_time"),
        ]
        constraints = [
            rule("action_given", ~Q(action=""), "Name the action."),
            rule("outcome_given", ~Q(outcome=""), "Say what came of it."),
        ]

    def __str__(self) -> str:
        return f"{self.action.replace('_', ' ')} {self.subject}".strip()
