"""The ASGI entry, for streams. The API and the admin are synchronous and are served by `copytrading.wsgi`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "copytrading.settings")

application = get_asgi_application()
