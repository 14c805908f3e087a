"""A dealer at the admin, who moves money between accounts: there is no other way to ask for that."""

import http.client
import re
import threading
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode

from copytrading.kernel.rejections import Reason
from tests.fixtures.customer import NoAnswer

_REASON = re.compile(r"Reason: <code>(\w+)</code>")
_MODELS = {
    "live": "liveaccount", "demo": "demoaccount",
    "strategy_provider": "strategyprovideraccount", "copy_follower": "copyfolloweraccount",
}  # fmt: skip


class _Stay(urllib.request.HTTPRedirectHandler):
    """Where one is sent to afterwards tells whether it was done."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


#: Between two tries to log in: who tries too often is locked out.
LOG_IN_EVERY_S = 5.0


class Office:
    """One session at a time, begun anew when it is lost."""

    def __init__(self, site: str, password: str, limit_s: float) -> None:
        self._site, self._password, self._limit_s = site, password, limit_s
        self._lock = threading.Lock()
        self._tried_at = float("-inf")
        self._leave()

    @property
    def shut(self) -> bool:
        """Nobody is inside, and it is too early to try again."""
        return not self._inside and time.monotonic() - self._tried_at < LOG_IN_EVERY_S

    def transfer(self, source: str, destination: str, amount: str, key: str) -> str:
        """The reason it was refused for, empty when it was done. Raises NoAnswer, as a customer's asking does."""
        kind, _, number = source.partition(":")
        path = f"/admin/accounts/{_MODELS[kind]}/{number}/act/transfer/"
        asked = {"key": key, "reason": key, "destination": destination, "amount": amount}
        with self._lock:
            try:
                if self.shut:
                    raise NoAnswer("the admin did not let us in a moment ago")
                if not self._inside:
                    self._log_in()
                status, told, goes_to = self._post(path, asked)
            except (OSError, http.client.HTTPException) as error:
                raise NoAnswer(f"{type(error).__name__}: {error}") from error
            if status == 302 and "/login" not in goes_to:
                return ""
            refused = _REASON.search(told)
            if status != 200 or refused is None:
                self._leave()
                raise NoAnswer(f"the admin answered {status}, and sent us to {goes_to or 'nowhere'}")
            return refused[1]

    def _leave(self) -> None:
        self._cookies, self._inside = CookieJar(), False
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies), _Stay)

    def _log_in(self) -> None:
        self._tried_at = time.monotonic()
        with self._browser.open(f"{self._site}/admin/login/", timeout=self._limit_s) as page:
            page.read()
        status, _, _ = self._post("/admin/login/", {"username": "dealer", "password": self._password})
        self._inside = status == 302

    def _post(self, path: str, asked: dict[str, str]) -> tuple[int, str, str]:
        token = next((cookie.value or "" for cookie in self._cookies if cookie.name == "csrftoken"), "")
        body = urlencode({**asked, "csrfmiddlewaretoken": token}).encode()
        try:
            with self._browser.open(f"{self._site}{path}", body, timeout=self._limit_s) as page:
                return page.status, page.read().decode(), ""
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace"), error.headers.get("Location") or ""


def is_final(reason: str) -> bool:
    return not reason or not Reason[reason].transient
