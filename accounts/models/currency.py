"""The currencies that money, prices and margin are counted in."""

from django.db.models import CharField, Model, PositiveSmallIntegerField

from accounts.models.columns import CURRENCY_PATTERN, between, written_as


class Currency(Model):
    """`digits` is what amounts are rounded to when posted. No column ever changes: balances were counted in them."""

    code = CharField(max_length=3, primary_key=True, help_text="Three capital letters, such as USD.")
    digits = PositiveSmallIntegerField(help_text="Digits after the point: 2 for USD, 0 for JPY.")

    class Meta:
        verbose_name_plural = "currencies"
        ordering = ["code"]
        constraints = [
            written_as("code", CURRENCY_PATTERN, "A currency is three capital letters, such as USD."),
            between("digits", 0, 8),
        ]

    def __str__(self) -> str:
        return self.code
