"""Keys with which programs log in."""

import hashlib
import secrets
import string
from collections.abc import Iterable
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db.models import PROTECT, CharField, DateTimeField, F, ForeignKey, Model, Q, TextChoices

from accounts.models.columns import rule, written_as
from accounts.models.user import Role, User
from copytrading.kernel import clock

_PREFIX_ALPHABET = string.ascii_lowercase + string.digits


class Scope(TextChoices):
    """What a key may do. `dealer` acts as the broker and needs an owner who may."""

    READ = "read"
    TRADE = "trade"
    DEALER = "dealer"


class ApiKey(Model):
    """A secret of the form `ct_<prefix>_<43 characters>`, of which only its SHA-256 is kept.

    256 random bits need no slow hash: there is nothing to guess. The prefix is not secret; it
    finds the row and tells keys apart in lists and logs.
    """

    user = ForeignKey(User, on_delete=PROTECT, related_name="api_keys")
    name = CharField(max_length=64, help_text="What the key is for, so that its owner knows which one to revoke.")
    prefix = CharField(max_length=8, unique=True)
    hash = CharField(max_length=64, unique=True)
    scopes = ArrayField(CharField(max_length=8, choices=Scope.choices))
    expires_at = DateTimeField()
    revoked_at = DateTimeField(null=True, blank=True)
    last_used_at = DateTimeField(null=True, blank=True)
    created_at = DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name = "API key"
        ordering = ["-id"]
        constraints = [
            written_as("prefix", "^[a-z0-9]{8}$", "A prefix is 8 small letters and digits."),
            written_as("hash", "^[0-9a-f]{64}$", "A hash is 64 hexadecimal digits."),
            rule(
                "scopes_known",
                Q(scopes__contained_by=Scope.values, scopes__len__gte=1),
                "Give at least one of the scopes read, trade, dealer.",
            ),
            rule("name_given", ~Q(name=""), "Give the key a name."),
            rule("expires_later", Q(expires_at__gt=F("created_at")), "A key must expire after it was created."),
        ]

    def __str__(self) -> str:
        return f"key ct_{self.prefix}_..."

    @classmethod
    def issue(cls, user: User, name: str, scopes: Iterable[str], expires_at: datetime) -> tuple["ApiKey", str]:
        """A new key and its secret, which nobody can read again. Raises ValidationError for what a key can't be."""
        wanted = sorted(set(scopes))
        if not wanted or not set(wanted) <= set(Scope.values):
            raise ValidationError({"scopes": f"Give one or more of the scopes {', '.join(Scope.values)}."})
        if Scope.DEALER in wanted and user.role not in (Role.DEALER, Role.ADMINISTRATOR):
            raise ValidationError({"scopes": f"{user} is no dealer; leave the dealer scope out or give another user."})
        prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(8))
        secret = f"ct_{prefix}_{secrets.token_urlsafe(32)}"
        key = cls(user=user, name=name, prefix=prefix, hash=cls.hash_of(secret), scopes=wanted, expires_at=expires_at)
        key.full_clean()
        key.save(force_insert=True)
        return key, secret

    @staticmethod
    def hash_of(secret: str) -> str:
        """What is stored of a secret: the SHA-256 of the whole text, in hexadecimal."""
        return hashlib.sha256(secret.encode()).hexdigest()

    def usable_at(self, moment: datetime) -> bool:
        return self.revoked_at is None and moment < self.expires_at

    def revoke(self) -> None:
        """From now on the key opens nothing. Revoking twice keeps the first time."""
        if self.revoked_at is None:
            self.revoked_at = clock.now()
            self.save(update_fields=["revoked_at"])
