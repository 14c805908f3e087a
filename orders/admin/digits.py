"""How many decimals a currency's amounts and an instrument's prices have, asked of the record once per process."""

from typing import Any

from django.db.models import Model
from django.db.models.signals import post_save

from accounts.models import Currency, Instrument


class Digits:
    """Both keep the digits they were created with, so what was read once stays true; a row made here is learned."""

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        self._known: dict[str, int | None] = {}
        post_save.connect(self._learn, sender=model, weak=False)

    def of(self, name: str) -> int | None:
        """None for what the record does not know."""
        if name not in self._known:
            read: Any = self._model._default_manager.values_list("pk", "digits")  # noqa: SLF001  Django's own
            self._known = {name: None, **dict(read)}
        return self._known[name]

    def _learn(self, instance: Any, **_: Any) -> None:
        self._known[instance.pk] = instance.digits


CURRENCIES = Digits(Currency)
INSTRUMENTS = Digits(Instrument)
