"""The journals of all accounts, entry by entry, as the ledger wrote them."""

from django.db.models import (
    BigIntegerField,
    CharField,
    DateTimeField,
    F,
    Index,
    Model,
    Q,
    TextField,
    UniqueConstraint,
)

from orders.models.rules import whole


class JournalEntry(Model):
    """`body` is the ledger's entry byte for byte, so that a second reading can be compared with the first."""

    account = CharField(max_length=40)
    version = BigIntegerField()
    predecessor = BigIntegerField()
    verb = CharField(max_length=16)
    principal = CharField(max_length=64)
    command_id = CharField(max_length=32)
    body = TextField()
    at = DateTimeField()

    class Meta:
        ordering = ["account", "version"]
        verbose_name_plural = "journal entries"
        constraints = [
            UniqueConstraint(fields=["account", "version"], name="journal_entry_once"),
            whole("follows", Q(version__gt=F("predecessor"), predecessor__gte=0)),
        ]
        indexes = [
            Index(fields=["-at"], name="journal_by_time"),
            Index(fields=["account", "-at"], name="journal_of_account"),
            Index(fields=["principal", "-at"], name="journal_of_principal"),
            Index(fields=["verb", "-at"], name="journal_of_verb"),
            Index(fields=["command_id"], name="journal_of_command"),
        ]

    def __str__(self) -> str:
        return f"entry {self.version} of {self.account}"
