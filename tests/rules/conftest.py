"""Properties of the rules run on whatever machine there is: none of them is a matter of time."""

from hypothesis import settings

settings.register_profile("rules", deadline=None)
settings.load_profile("rules")
