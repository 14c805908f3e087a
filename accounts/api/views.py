"""Log-in and log-out of people. Services need neither: they send their API key."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import bearer_token
from accounts.api.base import ApiView, principal
from accounts.api.fields import SecretField, StrictSerializer, TextField
from accounts.api.log_in import identify, note_log_in, note_log_out, refused
from accounts.api.parsing import body_of, is_empty
from accounts.api.principals import principals
from accounts.api.problems import Refused
from accounts.api.throttling import LogInThrottle, client_address
from accounts.api.token_trail import KEY_MARK
from accounts.models import User
from copytrading.kernel import clock
from copytrading.kernel.rejections import Reason, Rejection

_THROUGH = "the API"


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


class Nothing(StrictSerializer):
    """A body that says nothing."""


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
        user = identify(username, password, client_address(request), through=_THROUGH)
        answer = _token_for(user)
        note_log_in(user, _THROUGH)
        return Response(answer)


class LogOut(ApiView):
    """Takes back the token it is sent with."""

    answer = LoggedOut

    def post(self, request: Request) -> Response:
        if not is_empty(request):
            Nothing(data=body_of(request)).is_valid()
        token = bearer_token(request)
        if token is None or token.startswith(KEY_MARK):
            detail = "An API key has no session to end; have it revoked instead."
            raise Refused(Rejection(Reason.not_permitted, detail))
        AuthToken.objects.filter(digest=hash_token(token)).delete()
        principals.forget_token(token)
        note_log_out(principal(request).user_id, _THROUGH)
        return Response({"ok": True})


def _token_for(user: User) -> dict[str, object]:
    with transaction.atomic():
        # A password replaced since it was checked ends every token; this one would be born after that.
        if not User.objects.select_for_update().filter(pk=user.pk, password=user.password, is_active=True).exists():
            raise refused()
        AuthToken.objects.filter(user=user, expiry__lte=clock.now()).delete()
        made, token = AuthToken.objects.create(user=user)
    user_logged_in.send(sender=User, request=None, user=user)
    return {
        "ok": True,
        "token": token,
        "expires_at": made.expiry.isoformat(timespec="milliseconds").replace("+00:00", "Z") if made.expiry else None,
        "user": {"id": user.pk, "username": user.username, "role": user.role},
    }
