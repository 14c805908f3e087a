"""What the last audits found."""

from django.db.models import DateTimeField, IntegerField, JSONField, Model, TextField

from copytrading.kernel import clock


class AuditReport(Model):
    """`outcome` is the audit's exit status: 0 clean, 1 drift, 2 loss suspected, 3 could not check."""

    at = DateTimeField(default=clock.now)
    outcome = IntegerField()
    accounts = IntegerField()
    under_way = IntegerField(help_text="Transfers between accounts that had left and not arrived.")
    differences = JSONField(default=list)
    summary = TextField()

    class Meta:
        verbose_name = "book audit"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.summary}"
