"""The peer: django-anymail's Mandrill view in a Django of one file, each report stored in the same table of the same database.

Run by `bench/anymail_peer.py` in an environment of its own. As somebody would write it with anymail: a receiver that stores each event;
one transaction for a request.
"""

import hashlib
import json
import os
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

address = urlsplit(os.environ["BENCH_DATABASE"])
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": address.path[1:],
    "OPTIONS": {"init_command": "PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000"},
}
POSTGRESQL = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": address.path[1:],
    "USER": address.username,
    "HOST": parse_qs(address.query).get("host", [""])[0],
    "CONN_MAX_AGE": None,
}
settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="bench_urls",
    SECRET_KEY="bench",  # noqa: S106
    INSTALLED_APPS=["anymail"],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    DATABASES={"default": {**(SQLITE if address.scheme.startswith("sqlite") else POSTGRESQL), "ATOMIC_REQUESTS": True}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    ANYMAIL={"MANDRILL_WEBHOOK_KEY": os.environ["BENCH_KEY"], "MANDRILL_WEBHOOK_URL": os.environ["BENCH_URL"]},
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)
django.setup()

from anymail.signals import tracking  # noqa: E402
from django.db import models  # noqa: E402
from django.utils import timezone  # noqa: E402


class WebhookEvent(models.Model):
    """Our own table."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    key = models.CharField(max_length=80, unique=True)
    source = models.CharField(max_length=20)
    raw_type = models.CharField(max_length=40)
    payload = models.TextField()
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=60)
    attempts = models.IntegerField()
    next_try_at = models.DateTimeField()
    parked_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300)

    class Meta:
        """Somebody else makes it."""

        app_label = "anymail"
        db_table = "webhook_event"
        managed = False


def store(sender: object, event: Any, **_kwargs: object) -> None:  # noqa: ARG001
    """One report, once however often it is posted."""
    payload, now = json.dumps(event.esp_event), timezone.now()
    row = WebhookEvent(
        key=f"transactional:{hashlib.sha256(payload.encode()).hexdigest()}", source="transactional", raw_type=event.event_type,
        payload=payload, received_at=now, handled_at=None, outcome="", attempts=0, next_try_at=now, parked_at=None, error="",
    )  # fmt: skip
    WebhookEvent.objects.bulk_create([row], ignore_conflicts=True)


tracking.connect(store, weak=False)
application = get_wsgi_application()
