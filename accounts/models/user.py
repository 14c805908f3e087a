"""People and programs that log in."""

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db.models import CharField, Q, TextChoices

from accounts.models.columns import one_of, rule


class Role(TextChoices):
    """What a user is to the broker. Traders and strategists see their own accounts; the others are staff."""

    TRADER = "trader"
    STRATEGIST = "strategist"
    SUPPORT = "support"
    DEALER = "dealer"
    ADMINISTRATOR = "administrator"


STAFF_ROLES = (Role.SUPPORT, Role.DEALER, Role.ADMINISTRATOR)


class User(AbstractUser):
    """A user with one role. `is_staff` follows from it, a superuser is an administrator; no row can say otherwise."""

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
        super().save(*args, **kwargs)
