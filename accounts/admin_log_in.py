"""The admin's way in and out: the same limits and the same audit log as the API's, and sessions that end."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from redis.exceptions import RedisError
from unfold.forms import AuthenticationForm

from accounts.api.log_in import identify, note_log_in, note_log_out
from accounts.api.problems import Refused
from accounts.api.throttling import client_address, count_log_in_try
from accounts.models import User
from copytrading.kernel import clock
from copytrading.kernel.rejections import Reason, Rejection

_THROUGH = "the admin"


class LogInForm(AuthenticationForm):
    """Lets staff in. What else is refused than a wrong password stays in `refused`, for the status of the answer."""

    refused: Refused | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The page is hidden until its scripts run, and `autofocus` takes nobody to what is hidden.
        first = self.fields["password" if self.is_bound else "username"]
        first.widget.attrs["x-init"] = "$nextTick(() => $el.focus())"

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = self.cleaned_data
        if given.get("username") and given.get("password"):
            try:
                self.user_cache = self._identify(given["username"], given["password"])
            except Refused as refused:
                if refused.rejection.reason == Reason.not_authenticated:
                    raise self.get_invalid_login_error() from refused
                self.refused = refused
                raise ValidationError(refused.rejection.detail) from refused
        return given

    def _identify(self, username: str, password: str) -> User:
        address = client_address(self.request)
        try:
            count_log_in_try(address)
            return identify(username, password, address, through=_THROUGH, admits=lambda user: user.is_staff)
        except RedisError as error:
            detail = "Log-in is away for now; try again shortly."
            raise Refused(Rejection(Reason.record_unavailable, detail), retry_after_s=5) from error


def log_in(request: HttpRequest) -> HttpResponse:
    """A session begins here and ends after `LOG_IN_LASTS`, however busy it is."""
    answer = admin.site.login(request)
    if isinstance(answer, TemplateResponse) and answer.context_data:
        _tell(request, answer, answer.context_data["form"])
    elif request.method == "POST" and isinstance(request.user, User):
        request.session.set_expiry(clock.now() + settings.LOG_IN_LASTS)
        note_log_in(request.user, _THROUGH)
    return answer


def _tell(request: HttpRequest, page: TemplateResponse, form: LogInForm) -> None:
    """Why not, as a message: as errors of the form the page would add that the error below is to be corrected."""
    for text in form.errors.pop(NON_FIELD_ERRORS, ()):
        messages.error(request, text)
    if form.refused is not None:
        page.status_code = form.refused.rejection.reason.http_status
        page["Retry-After"] = str(form.refused.retry_after_s)


def log_out(request: HttpRequest) -> HttpResponse:
    left = request.user.pk
    answer = admin.site.admin_view(admin.site.logout)(request)
    if left is not None and not request.user.is_authenticated:
        note_log_out(left, _THROUGH)
    return answer
