"""The WSGI entry of the web processes."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "copytrading.settings")

_django = get_wsgi_application()

# Imported when Django is set up, which the line above does.
from accounts.api.intake import intake  # noqa: E402

application = intake(_django)
