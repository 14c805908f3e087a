"""Who may log in: users, API keys, and the log-ins that are open."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from knox.models import AuthToken
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.views import ChangeList
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.admin.access import ByRole, PlainInteger, ReadOnly, configures, exactly, moment
from accounts.admin.asking import ask, done_for_a_reason
from accounts.admin.reasons import Noted, ReasonField, note, values_of
from accounts.models import ApiKey, Role, Scope, User
from accounts.once import once
from copytrading.kernel import clock

_ROLE_COLOURS = {
    Role.SUPPORT.label: "info",
    Role.DEALER.label: "warning",
    Role.ADMINISTRATOR.label: "danger",
}
LONGEST_LIFE_DAYS = 3650
_SENT_BEFORE = (
    "This form had been sent before, and its key was issued then; nothing was issued twice. "
    "A secret is shown once: whoever missed it revokes that key and issues another."
)


class ReasonedUserForm(UserChangeForm):
    why = ReasonField()

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if self.instance.is_superuser and role != Role.ADMINISTRATOR:
            raise ValidationError("A superuser is an administrator always; manage.py makes and unmakes superusers.")
        return role


class ReasonedNewUserForm(UserCreationForm):
    why = ReasonField()


class ReasonedPasswordForm(AdminPasswordChangeForm):
    why = ReasonField()

    def save(self, commit: bool = True) -> Any:
        """The audit log's entry is written as the password is saved."""
        self.user.why_replaced = self.cleaned_data["why"]
        return super().save(commit)


class ApiKeyInline(ReadOnly, TabularInline):
    model = ApiKey
    extra = 0
    fields = ("prefix", "name", "scopes", "expires_at", "revoked_at", "last_used_at")
    show_change_link = True


@admin.register(User)
class UserAdmin(ByRole, DjangoUserAdmin, Noted):
    """People. A superuser's row is changed by superusers only, or a password set here would make one of anybody."""

    noted_as = "user"
    unnoted = frozenset({"password", "last_login", "is_staff"})
    form = ReasonedUserForm
    add_form = ReasonedNewUserForm
    change_password_form = ReasonedPasswordForm
    change_user_password_template = "accounts/change_password.html"  # noqa: S105  # nosec B105
    list_display = (
        "username", "shown_role", "email", "first_name", "last_name", "is_active", moment("last_login", "last log-in"),
    )  # fmt: skip
    list_filter = ("role", "is_active")
    search_fields = ("username", "email", "first_name", "last_name")
    ordering = ("username",)
    readonly_fields = ("last_login", "date_joined", "superuser", "shown_password")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "shown_password", "role", "is_active", "superuser")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Times", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "email", "role", "password1", "password2")}),)
    actions = ("log_out_everywhere",)
    actions_detail = ("set_password",)

    def has_set_password_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return configures(request)

    @action(description="Set another password", url_path="set-password", icon="key", permissions=["set_password"])
    def set_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """To the form, which asks by itself whether this user's may be set by whoever asks."""
        return HttpResponseRedirect(reverse("admin:auth_user_password_change", args=[object_id]))

    @admin.action(description="Log the selected users out everywhere", permissions=["log_out"])
    def log_out_everywhere(self, request: HttpRequest, users: QuerySet[User]) -> HttpResponse:
        def end(why: str) -> str:
            for user in users:
                user.log_out_everywhere()
                note(request, "log_out_everywhere", f"user:{user.pk}", why)
            logged_out = "1 user has" if len(users) == 1 else f"{len(users)} users have"
            return f"{logged_out} to log in again. API keys go on until they are revoked."

        named = ", ".join(user.username for user in users)
        return done_for_a_reason(self, request, f"Log out everywhere: {named}", "Log them out", end)

    def has_log_out_permission(self, request: HttpRequest) -> bool:
        return configures(request)

    def act(self, change: bool) -> str:
        return "change_user" if change else "add_user"

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        beyond = isinstance(obj, User) and obj.is_superuser and not getattr(request.user, "is_superuser", False)
        return configures(request) and not beyond

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> list[type[TabularInline]]:
        return [ApiKeyInline] if obj else []

    @display(description="password")
    def shown_password(self, user: User) -> str:
        """Nothing of it, nor of its hash."""
        return "set" if user.has_usable_password() else "none: no log-in by password"

    @display(description="superuser", boolean=True)
    def superuser(self, user: User) -> bool:
        return user.is_superuser

    @display(description="role", ordering="role", label=_ROLE_COLOURS)
    def shown_role(self, user: User) -> str:
        return user.get_role_display()


class NewKeyForm(forms.Form):
    """What `ApiKey.issue` is asked; its refusals stand beside the fields."""

    owner = forms.CharField(
        label="User", max_length=150, widget=UnfoldAdminTextInputWidget,
        help_text="The user name of whom the key acts for. It opens no more than this user's role does.",
    )  # fmt: skip
    name = forms.CharField(
        max_length=64, widget=UnfoldAdminTextInputWidget,
        help_text="What the key is for, so that its owner knows which one to revoke.",
    )  # fmt: skip
    scopes = forms.MultipleChoiceField(
        choices=[
            (Scope.READ, "read: look at accounts, orders and prices"),
            (Scope.TRADE, "trade: give orders on the user's accounts"),
            (Scope.DEALER, "dealer: act as the broker, on every account"),
        ],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    days = PlainInteger(
        label="Days until it expires", min_value=1, max_value=LONGEST_LIFE_DAYS, initial=365,
        widget=UnfoldAdminIntegerFieldWidget,
    )  # fmt: skip
    why = ReasonField()

    def clean_owner(self) -> User:
        owner = User.objects.filter(username=self.cleaned_data["owner"], is_active=True).first()
        if owner is None:
            raise ValidationError("There is no active user of this name.")
        return owner


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, ModelAdmin):
    """A key is issued here, its secret shown once; from then on neither the secret nor its hash is shown."""

    list_display = (
        "prefix", "name", "user", "scopes", moment("created_at", "issued"), moment("expires_at", "expires"),
        moment("last_used_at", "last used"), "usable",
    )  # fmt: skip
    list_filter = (("expires_at", admin.DateFieldListFilter), ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("prefix", "name", "user__username")
    fields = ("prefix", "name", "user", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("user",)
    actions_detail = ("revoke",)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return configures(request)

    def has_revoke_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return configures(request)

    @once(_SENT_BEFORE)
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not configures(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else None
        form = NewKeyForm(given, initial={"owner": request.GET.get("user", "")})
        issued = _issue(request, form) if form.is_valid() else None
        if issued is None:
            return ask(self, request, form, "Issue an API key", "Issue the key")
        key, secret = issued
        context = {**self.admin_site.each_context(request), "title": "API key issued", "key": key, "secret": secret}
        answer = TemplateResponse(request, "accounts/key_issued.html", context | {"opts": self.opts})
        answer["Cache-Control"] = "no-store"
        return answer

    @action(description="Revoke", url_path="revoke", icon="block", permissions=["revoke"])
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self.get_object(request, object_id)
        if key is None or key.revoked_at:
            if key:
                messages.warning(request, f"{key} was revoked before, at {exactly(key.revoked_at)}; nothing was done.")
            return HttpResponseRedirect(reverse("admin:accounts_apikey_changelist"))

        def end(why: str) -> str:
            before = values_of(key)
            key.revoke()
            note(request, "revoke_key", f"key:{key.pk}", why, _told(before), _told(values_of(key)))
            return f"{key} opens nothing any more."

        return done_for_a_reason(self, request, f"Revoke {key} of {key.user}", "Revoke the key", end)

    @display(description="usable", boolean=True)
    def usable(self, key: ApiKey) -> bool:
        return key.usable_at(clock.now())


admin.site.unregister(AuthToken)
_NAMED_BY = re.compile(r"([1-9][0-9]{0,17})-([0-9]{1,18})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _called(token: AuthToken) -> str:
    return f"{token.user}, {token.created:%Y-%m-%d %H:%M:%S} UTC"


# Its own name, and its key, are what the token is recognised by.
AuthToken.__str__ = _called
AuthToken._meta.verbose_name, AuthToken._meta.verbose_name_plural = "log-in", "log-ins"  # noqa: SLF001  as seen


class LogInList(ChangeList):
    def url_for_result(self, result: AuthToken) -> str:
        since = (result.created - _EPOCH) // timedelta(microseconds=1)
        return reverse("admin:knox_authtoken_change", args=[f"{result.user_id}-{since}"])


@admin.register(AuthToken)
class LogInAdmin(ReadOnly, ModelAdmin):
    """Who is logged in to the API, for administrators. A log-in is named by who and when; ending it takes its token
    back.
    """

    list_display = ("user", moment("created", "logged in"), moment("expiry", "ends"))
    fields = ("user", "created", "expiry")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    ordering = ("-created",)
    actions_detail = ("end",)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return configures(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return configures(request)

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return LogInList

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Called by its name alone: of a row, the path at the top of the page would make a link by its key."""
        token = self.get_object(request, object_id)
        named = {"original": str(token), "title": str(token), "subtitle": ""} if token else {}
        return super().change_view(request, object_id, form_url, named | (extra_context or {}))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> AuthToken | None:
        named = _NAMED_BY.fullmatch(unquote(object_id))
        if named is None:
            return None
        created = _EPOCH + timedelta(microseconds=int(named[2]))
        return self.get_queryset(request).filter(user_id=int(named[1]), created=created).first()

    def has_end_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return configures(request)

    @action(description="End this log-in", url_path="end", icon="logout", permissions=["end"])
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token = self.get_object(request, object_id)
        if token is None:
            return HttpResponseRedirect(reverse("admin:knox_authtoken_changelist"))

        def end(why: str) -> str:
            token.delete()
            note(request, "end_log_in", f"user:{token.user_id}", why)
            return f"{token.user} is logged out there."

        return done_for_a_reason(self, request, f"End a log-in of {token.user}", "End the log-in", end)


def _issue(request: HttpRequest, form: NewKeyForm) -> tuple[ApiKey, str] | None:
    asked = form.cleaned_data
    expires_at = clock.now() + timedelta(days=asked["days"])
    try:
        with transaction.atomic():
            key, secret = ApiKey.issue(asked["owner"], asked["name"], asked["scopes"], expires_at)
            note(request, "issue_key", f"key:{key.pk}", asked["why"], None, _told(values_of(key)))
    except ValidationError as error:
        known = set(error.message_dict) <= form.fields.keys()
        form.add_error(None, error if known else error.messages)
        return None
    return key, secret


def _told(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in ("hash", "last_used_at")}
