"""People and programs that log in."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.models import Session
from django.db.models import CharField, Q, TextChoices
from django.dispatch import Signal

from accounts.models.columns import one_of, rule
from copytrading.kernel import clock


class Role(TextChoices):
    """What a user is to the broker. Traders and strategists see their own accounts; the others are staff."""

    TRADER = "trader"
    STRATEGIST = "strategist"
    SUPPORT = "support"
    DEALER = "dealer"
    ADMINISTRATOR = "administrator"


STAFF_ROLES = (Role.SUPPORT, Role.DEALER, Role.ADMINISTRATOR)


#: Sent with `user` after another password was saved, not after the same one was hashed anew.
password_replaced = Signal()


class User(AbstractUser):
    """A user with one role. `is_staff` follows from it, a superuser is an administrator; no row can say otherwise.

    Who is switched off, or gets another password, is logged out everywhere. API keys are revoked
    one by one: they are a service's, and worth nothing while their user is switched off.
    """

    auth_token_set: Any
    _password: str | None
    #: Why another password is set, where whoever sets it says so.
    why_replaced = ""

    role = CharField(max_length=16, choices=Role.choices, default=Role.TRADER)

    class Meta(AbstractUser.Meta):
        abstract = False
        constraints = [
            one_of("role", Role),
            rule(
                "staff_by_role",
                Q(is_staff=True, role__in=STAFF_ROLES) | Q(is_staff=False) & ~Q(role__in=STAFF_ROLES),
                "Staff are those whose role is support, dealer or administrator.",
            ),
            rule(
                "superuser_role",
                Q(is_superuser=False) | Q(role=Role.ADMINISTRATOR),
                "A superuser's role is administrator.",
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.is_superuser:
            self.role = Role.ADMINISTRATOR
        self.is_staff = self.role in STAFF_ROLES
        replaced = self._replaces_password(kwargs.get("update_fields"))
        super().save(*args, **kwargs)
        if not self.is_active:
            self.log_out_everywhere()
        elif replaced:
            # Django ends the sessions by itself, but for the one the password was changed in.
            self.auth_token_set.all().delete()
        if replaced:
            password_replaced.send(User, user=self)

    def log_out_everywhere(self) -> None:
        """Ends every token and every session of this user."""
        self.auth_token_set.all().delete()
        for session in Session.objects.filter(expire_date__gt=clock.now()).iterator():
            if session.get_decoded().get(SESSION_KEY) == str(self.pk):
                session.delete()

    def _replaces_password(self, update_fields: Any) -> bool:
        if self._state.adding or (update_fields is not None and "password" not in update_fields):
            return False
        if self._password is None and update_fields is not None and set(update_fields) == {"password"}:
            return False  # how Django saves a better hash of the password that just opened
        return not User.objects.filter(pk=self.pk, password=self.password).exists()
