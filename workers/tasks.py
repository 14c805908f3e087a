"""What the clock starts, through Celery. Each task may run twice: doing it again changes nothing."""

from datetime import timedelta

import structlog
from celery import shared_task
from django.core.management import call_command
from knox.models import AuthToken

from accounts import catalogue
from copytrading.kernel import clock
from orders import audit
from orders.book import guard, terms
from orders.models import AuditReport

REPORTS_KEPT = timedelta(days=90)
_log = structlog.get_logger(__name__)


@shared_task
def nightly_audit() -> None:
    """Book against record; the report is kept, and anything but clean is an alarm."""
    started = clock.monotonic()
    accounts = [account for account, _ in guard.entered_accounts()]
    found = list(audit.audit(accounts))
    report = audit.report(found, len(accounts), clock.monotonic() - started)
    report.save()
    tell = _log.info if report.outcome == audit.Outcome.CLEAN else _log.critical
    tell("nightly_audit", outcome=report.outcome, summary=report.summary)


@shared_task
def prune() -> None:
    """Log-ins that ended, tokens that expired and old audit reports. Never money, orders or journals."""
    call_command("clearsessions")
    tokens, _ = AuthToken.objects.filter(expiry__lt=clock.now()).delete()
    reports, _ = AuditReport.objects.filter(at__lt=clock.now() - REPORTS_KEPT).delete()
    _log.info("pruned", tokens=tokens, audit_reports=reports)


@shared_task
def refresh_terms() -> None:
    """The terms of every group for readers outside Python, as they stand in the record."""
    published = terms.publish(catalogue.current(terms.epoch()))
    _log.info("terms_refreshed", published=published)
