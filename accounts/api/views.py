"""Log-in and log-out of people. Services need neither: they send their API key."""

from typing import Any

import structlog
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import KEY_MARK, bearer_token
from accounts.api.base import ApiView, principal
from accounts.api.fields import SecretField, StrictSerializer, TextField
from accounts.api.parsing import body_of
from accounts.api.principals import principals
from accounts.api.problems import Refused
from accounts.api.requests import client_address
from accounts.api.throttling import LOG_IN_FAILURES, LogInThrottle
from accounts.models import User
from copytrading.kernel import clock
from copytrading.kernel.rejections import Reason, Rejection

log = structlog.get_logger(__name__)


class LoggedInUser(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    username = serializers.CharField()
    role = serializers.CharField()


class LoggedIn(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    token = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)
    user = LoggedInUser()


class LoggedOut(serializers.Serializer[Any]):
    ok = serializers.BooleanField()


class Credentials(StrictSerializer):
    """Log in: user name and password for a token that expires."""

    username = TextField(max_length=150)
    password = SecretField(max_length=256)


class LogIn(ApiView):
    """User name and password for a token that expires."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (LogInThrottle,)
    body = Credentials
    answer = LoggedIn

    def post(self, request: Request) -> Response:
        given = self.body(data=body_of(request))
        given.is_valid()
        username, password = given.validated_data["username"], given.validated_data["password"]
        who = (username, client_address(request))
        LOG_IN_FAILURES.count(*who)
        # For an unknown or inactive user Django hashes all the same, so that the time tells nothing.
        user = authenticate(username=username, password=password)
        if not isinstance(user, User):
            log.warning("log_in_refused", address=who[1])
            raise Refused(Rejection(Reason.not_authenticated, "The user name or the password is wrong."))
        LOG_IN_FAILURES.forgive(*who)
        return Response(_token_for(user, request))


class LogOut(ApiView):
    """Takes back the token it is sent with."""

    answer = LoggedOut

    def post(self, request: Request) -> Response:
        token = bearer_token(request)
        if token is None or token.startswith(KEY_MARK):
            detail = "An API key has no session to end; have it revoked instead."
            raise Refused(Rejection(Reason.not_permitted, detail))
        AuthToken.objects.filter(digest=hash_token(token)).delete()
        principals.forget_token(token)
        log.info("logged_out", principal=principal(request).name)
        return Response({"ok": True})


def _token_for(user: User, request: Request) -> dict[str, object]:
    AuthToken.objects.filter(user=user, expiry__lte=clock.now()).delete()
    made, token = AuthToken.objects.create(user=user)
    user_logged_in.send(sender=User, request=None, user=user)
    log.info("logged_in", principal=f"user:{user.pk}", address=client_address(request))
    return {
        "ok": True,
        "token": token,
        "expires_at": made.expiry.isoformat().replace("+00:00", "Z") if made.expiry else None,
        "user": {"id": user.pk, "username": user.username, "role": user.role},
    }
