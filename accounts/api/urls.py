"""Paths under `api/`, none with a trailing slash."""

from django.urls import path

from accounts.api.views import LogIn, LogOut

urlpatterns = [
    path("auth/login", LogIn.as_view(), name="log-in"),
    path("auth/logout", LogOut.as_view(), name="log-out"),
]
