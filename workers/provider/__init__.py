"""The session with the liquidity provider belongs here; until it exists, provider orders are refused."""
