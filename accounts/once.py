"""A form is carried out once, however often it is posted: its page gives it a key, which its first success uses up.

Staff actions have keys of their own, which the book keeps with the command. For what is no command they are
counted on the market instance, for a day; while that is away nothing is counted, and a halt is set all the same.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.limits import Limit, unless_away

FIELD = "once"
_SENT = Limit("form_sent", allowed=1, window_s=86_400)
_AGAIN = "This form had been carried out before; nothing was done twice. What came of it is on this page."

View = TypeVar("View", bound=Callable[..., HttpResponse])


def once(told: str = _AGAIN) -> Callable[[View], View]:
    """For a view whose page lies right below the one that shows what came of it. A form that comes back shown again,
    refused or with an error was not carried out; one that leads elsewhere was, and so was one whose answer may not
    be stored, since that holds a secret.
    """

    def kept(view: View) -> View:
        @wraps(view)
        def answer(*given: Any, **named: Any) -> HttpResponse:
            request: HttpRequest = next(each for each in given if isinstance(each, HttpRequest))
            key = request.POST.get(FIELD, "")
            if not key or not request.user.is_authenticated:
                return view(*given, **named)
            who = str(request.user.pk), key
            counted = unless_away(lambda: _SENT.count(*who))
            if counted is not None and counted.beyond > 0:
                unless_away(lambda: _SENT.take_back(*who))
                messages.warning(request, told)
                return HttpResponseRedirect(f"{request.path.rstrip('/').rpartition('/')[0]}/")
            done = False
            try:
                answered = view(*given, **named)
                done = answered.status_code == 302 or answered.get("Cache-Control") == "no-store"
                return answered
            finally:
                if not done:
                    unless_away(lambda: _SENT.take_back(*who))

        return answer  # type: ignore[return-value]

    return kept
