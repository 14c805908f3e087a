"""The project's settings for a test run: a data folder of its own, and nothing slow that no test is about."""

import os

from tests.fixtures import folders

os.environ["DATA_DIR"] = str(folders.of_this_run())

from copytrading.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
