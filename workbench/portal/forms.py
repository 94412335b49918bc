"""Forms of the portal."""

from typing import Any, cast

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.forms import AuthenticationForm as AdminAuthenticationForm

from workbench.hypercare import references
from workbench.hypercare.clock import WITHIN
from workbench.hypercare.models import Ticket
from workbench.portal import throttle


class Throttled(AuthenticationForm):
    """Sign-in that refuses to even try where too many tries failed lately."""

    def clean(self) -> dict[str, Any]:
        """Sign in, counting failures."""
        request = cast(HttpRequest, self.request)
        name = self.cleaned_data.get("username") or ""
        if throttle.is_blocked(request, name):
            raise ValidationError("Too many sign-ins failed. Wait 15 minutes, then try again.", code="throttled")
        try:
            data = super().clean()
        except ValidationError:
            throttle.note_failure(request, name)
            raise
        if self.user_cache is not None:
            throttle.forget(request, name)
        return data


class SignInForm(Throttled):
    """Sign-in to the portal."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "The name or the password isn't right. Both are case-sensitive.",
    }


class EngineerSignInForm(Throttled, AdminAuthenticationForm):
    """Sign-in to the admin."""


class SignForm(forms.Form):
    """A signature: the hash of what the page showed, the signer's word that they read it, and a note."""

    shown_sha256 = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)
    read = forms.BooleanField(error_messages={"required": "Tick the box to say that you have read this page."})
    note = forms.CharField(required=False, max_length=2_000, widget=forms.Textarea(attrs={"rows": 3}))


SEVERITY_HELP = "Working days until an answer is due: " + ", ".join(f"{name} {time.days}" for name, time in WITHIN.items()) + "."


class RaiseForm(forms.Form):
    """A ticket of the customer."""

    title = forms.CharField(max_length=200, label="What is wrong, in one line")
    text = forms.CharField(
        max_length=10_000, label="What do you see, and what did you expect?", widget=forms.Textarea(attrs={"rows": 7, "maxlength": 10_000})
    )
    kind = forms.ChoiceField(choices=Ticket.Kind.choices, label="What kind of thing is it?")
    severity = forms.ChoiceField(
        choices=Ticket.Severity.choices, label="How severe is it?", initial=Ticket.Severity.NORMAL, help_text=SEVERITY_HELP
    )
    about = forms.CharField(
        required=False,
        max_length=20_000,
        label="Which records is it about? (optional)",
        help_text=references.HOW,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )


class SayForm(forms.Form):
    """A comment on a ticket, or a move with its reason."""

    do = forms.CharField(max_length=20)
    text = forms.CharField(required=False, max_length=10_000)


class JoinForm(forms.Form):
    """Name and password of somebody who was invited and has no account."""

    first_name = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autocomplete": "given-name"}))
    last_name = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autocomplete": "family-name"}))
    password = forms.CharField(
        strip=False,
        max_length=1_000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=password_validators_help_text_html(),
    )
    again = forms.CharField(
        strip=False, max_length=1_000, label="Password again", widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        """email: the invited address, which the password may not be like."""
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any]:
        """Both passwords are the same, and good enough."""
        given = super().clean() or {}
        password = given.get("password")
        if password and password != given.get("again"):
            self.add_error("again", "The two passwords differ.")
        elif password:
            names = {name: given.get(name, "") for name in ("first_name", "last_name")}
            try:
                validate_password(password, User(username=self.email, email=self.email, **names))
            except ValidationError as error:
                self.add_error("password", error)
        return given
