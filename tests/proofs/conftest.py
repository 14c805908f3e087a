"""Workers of the proofs never wait for a clock: what lags is told again at once, what is unfinished is claimed."""

import pytest

from orders.book import work
from workers import base, sweeper


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "LAG_S", 0.0)
    monkeypatch.setattr(sweeper, "_PAUSE_S", 0.0)
    monkeypatch.setattr(base, "CLAIM_IDLE_MS", 0)
    monkeypatch.setattr(base, "CLAIM_EVERY_S", 0.0)
    monkeypatch.setattr(work, "BLOCK_MS", 1)
