"""`Authorization: Bearer <token of a log-in, or API key>`: both hashed at rest, both revocable, both expiring."""

from datetime import timedelta
from typing import Any

import structlog
from django.db.models import Q
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.access import Principal, scopes_of_role
from accounts.api.principals import Proof, principals
from accounts.api.throttling import check_unknown_token, client_address
from accounts.api.token_trail import KEY_MARK, key_uses, note_refused
from accounts.models import ApiKey, User
from copytrading.kernel import clock

#: Longer than any token or key made here; a longer one is refused unread.
MAX_TOKEN_LENGTH = 128
#: How exact `last_used_at` of a key is.
USE_NOTED_EVERY = timedelta(minutes=1)


class BearerAuthentication(BaseAuthentication):
    """Gives the principal as both `request.user` and `request.auth`."""

    def authenticate(self, request: Request) -> tuple[Principal, Principal] | None:
        token = bearer_token(request)
        if token is None:
            return None
        address = client_address(request)
        if not principals.remembers(token):
            check_unknown_token(address)
        principal = principals.resolve(token, prove)
        if principal is None:
            note_refused(token, address)
            raise AuthenticationFailed("This token is unknown, expired or revoked.")
        structlog.contextvars.bind_contextvars(principal=principal.name)
        if principal.kind == "key":
            key_uses.note(principal, address)
        return principal, principal

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def bearer_token(request: Request) -> str | None:
    """The token sent, None if no Authorization header was. Raises AuthenticationFailed for any other header."""
    header: str = request.META.get("HTTP_AUTHORIZATION", "")
    if not header:
        return None
    scheme, _, token = header.partition(" ")
    readable = token.isascii() and token.isprintable() and " " not in token
    if scheme.lower() != "bearer" or not readable or not 0 < len(token) <= MAX_TOKEN_LENGTH:
        raise AuthenticationFailed("Send Authorization: Bearer, one blank, and the token.")
    return token


def prove(token: str) -> Proof | None:
    """What PostgreSQL knows of the token now; None if it opens nothing."""
    return _prove_key(token) if token.startswith(KEY_MARK) else _prove_log_in(token)


def _prove_log_in(token: str) -> Proof | None:
    found = AuthToken.objects.select_related("user").filter(digest=hash_token(token), user__is_active=True).first()
    if found is None or (found.expiry is not None and found.expiry <= clock.now()):
        return None
    user = found.user
    return Proof(Principal("user", user.pk, user.username, user.role, scopes_of_role(user.role), user.pk), found.expiry)


def _prove_key(secret: str) -> Proof | None:
    key = ApiKey.objects.select_related("user").filter(hash=ApiKey.hash_of(secret), user__is_active=True).first()
    now = clock.now()
    if key is None or not key.usable_at(now):
        return None
    unnoted = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
    ApiKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=now)
    user = key.user
    # A key never opens more than its owner's role does, also when the role was lowered after the key was issued.
    scopes = frozenset(key.scopes) & scopes_of_role(user.role)
    return Proof(Principal("key", key.pk, user.username, user.role, scopes, user.pk), key.expires_at)


@receiver((post_save, post_delete), sender=User)
def _user_changed(sender: Any, instance: User, **_: Any) -> None:
    principals.forget(user_id=instance.pk)


@receiver((post_save, post_delete), sender=ApiKey)
@receiver((post_save, post_delete), sender=AuthToken)
def _credential_changed(sender: Any, instance: ApiKey | AuthToken, **_: Any) -> None:
    principals.forget(user_id=instance.user_id)
