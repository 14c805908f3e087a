"""Copying a strategy provider's orders to its followers: plans, replicas, fees and figures belong here."""
