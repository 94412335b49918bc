"""What an engagement is: the customer's project, its people, its environments, its signatures and its history."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.validators import MinValueValidator, RegexValidator, URLValidator
from django.db import models
from django.utils import timezone

from workbench.engagements.secrets import EncryptedTextField

PLATFORMS = [
    ("iterable", "Iterable"),
    ("customerio", "Customer.io"),
    ("salesmate", "Salesmate"),
    ("sparkcrm", "Spark CRM"),
    ("wetroo", "Wetroo"),
]


class Role(models.TextChoices):
    """What a member may do: engineers work in the admin, the customer's people in the portal."""

    ENGINEER = "engineer", "Engineer"
    APPROVER = "approver", "Customer approver"
    VIEWER = "viewer", "Customer viewer"
    DYNAMICS_ADMIN = "dynamics_admin", "Customer's Dynamics admin"


class EngagementQuerySet(models.QuerySet):
    """Engagements."""

    def visible_to(self, user: User | AnonymousUser) -> "EngagementQuerySet":
        """The engagements that `user` may see: every view of the product goes through this one method."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        return self if user.is_superuser else self.filter(memberships__user=user).distinct()


class Engagement(models.Model):
    """One customer's move from a source platform into Dynamics 365 Sales."""

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True, help_text="Part of every row id that is made: it can't change once rows exist.")
    platform = models.CharField("source platform", max_length=20, choices=PLATFORMS)
    prefix = models.CharField(
        "publisher prefix",
        max_length=8,
        default="mwb",
        validators=[
            RegexValidator(
                r"^(?!mscrm)[a-z][a-z0-9]{1,7}$", "2 to 8 lower-case letters or digits, a letter first, not starting with mscrm."
            )
        ],
    )
    options = models.JSONField(
        "names and zones",
        default=dict,
        blank=True,
        help_text="lifecycle_field, owner_field, organisation_list_prefix, source_zone, day_zone, ...",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = EngagementQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in one engagement."""

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["engagement", "user", "role"], name="one_role_once")]

    def __str__(self) -> str:
        return f"{self.user} as {self.get_role_display()}"


class Invitation(models.Model):
    """An e-mail address asked into an engagement. The link holds a secret whose keyed hash alone is kept; it is good for one acceptance."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "Accepted"
        REVOKED = "revoked", "Revoked"
        EXPIRED = "expired", "Expired"

    # Engineers have the admin too, so that only superusers make them, on the page of users.
    ROLES = [(role.value, role.label) for role in (Role.APPROVER, Role.VIEWER, Role.DYNAMICS_ADMIN)]

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField("e-mail", max_length=150, help_text="It becomes the name that the person signs in with.")
    role = models.CharField(max_length=20, choices=ROLES)
    key = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-invited_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["engagement", "email", "role"],
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="one_open_invitation_per_role",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.get_role_display()}"

    @property
    def state(self) -> "Invitation.State":
        """What became of it."""
        if self.accepted_at:
            return self.State.ACCEPTED
        if self.revoked_at:
            return self.State.REVOKED
        return self.State.EXPIRED if self.expires_at <= timezone.now() else self.State.OPEN


class PseudonymKey(models.Model):
    """The key of the engagement's pseudonyms, see `pseudonyms`: made once, encrypted as credentials are."""

    engagement = models.OneToOneField(Engagement, on_delete=models.CASCADE, related_name="pseudonym_key")
    key = EncryptedTextField(editable=False)

    def __str__(self) -> str:
        return f"key of {self.engagement}"


class ErasedName(models.Model):
    """An id or e-mail address of somebody who was erased from the engagement, as a pseudonym: they stay out of what is landed later."""

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="erased_names")
    pseudonym = models.CharField(max_length=80)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["engagement", "pseudonym"], name="erased_name_once")]

    def __str__(self) -> str:
        return self.pseudonym


class Connection(models.Model):
    """How to reach a source project or a Dataverse environment. `settings` holds what isn't secret:

    iterable: limits {bucket: [calls, seconds]}. dataverse: authority, client_id, certificate_thumbprint, limits {"window_s": seconds}
    where service protection counts in another window than the published one.
    """

    KINDS = [*PLATFORMS, ("dataverse", "Dataverse")]

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="connections")
    kind = models.CharField(max_length=20, choices=KINDS)
    name = models.CharField(max_length=80)
    base_url = models.CharField(
        "address",
        max_length=300,
        validators=[URLValidator(["https", "http"])],
        help_text="https://api.iterable.com, https://contoso.crm4.dynamics.com",
    )
    settings = models.JSONField(default=dict, blank=True)
    secret = EncryptedTextField("key or client secret", blank=True, help_text="Stored encrypted and never shown again.")
    ca_pem = models.TextField("certificate authority (PEM)", blank=True, help_text="Only where the address has a private certificate.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["engagement", "name"], name="connection_name_once")]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_kind_display()})"

    def ca_file(self) -> str | None:
        """Path of a file that holds `ca_pem`, written on first use; None where the public authorities do."""
        if not self.ca_pem:
            return None
        folder = Path(settings.VAR_DIR) / "certificates"
        path = folder / f"{hashlib.sha256(self.ca_pem.encode()).hexdigest()[:32]}.pem"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}")
            part.write_text(self.ca_pem)
            part.replace(path)
        return str(path)


class Environment(models.Model):
    """One Dataverse environment of the engagement; ids, options and users differ between the two."""

    class Kind(models.TextChoices):
        SANDBOX = "sandbox", "Sandbox"
        PRODUCTION = "production", "Production"

    class Edition(models.TextChoices):
        UNKNOWN = "", "Not entered"
        PROFESSIONAL = "professional", "Sales Professional"
        ENTERPRISE = "enterprise", "Sales Enterprise"
        PREMIUM = "premium", "Sales Premium"

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="environments")
    kind = models.CharField(max_length=12, choices=Kind)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="environments")
    further_connections = models.ManyToManyField(
        Connection,
        blank=True,
        related_name="+",
        verbose_name="further application users",
        help_text="Connections to the same address as other application users: each may call as often as the first; they share the load.",
    )
    # What no call gives: a person reads it in the admin centre and enters it.
    edition = models.CharField(max_length=12, choices=Edition, default=Edition.UNKNOWN, blank=True)
    licences = models.PositiveIntegerField(
        null=True, blank=True, help_text="Dynamics 365 Enterprise or Professional licences of the tenant."
    )
    daily_requests = models.PositiveBigIntegerField(
        "requests in 24 hours",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="What the load may use of the tenant's pool, each row counted; the whole pool where this is empty. "
        "A run that has used it pauses, and goes on by itself when there is room again.",
    )
    insights_journeys = models.BooleanField(
        "Customer Insights - Journeys",
        null=True,
        blank=True,
        help_text="Whether it is licensed: journeys of the source can be rebuilt there.",
    )
    free_database_gb = models.DecimalField("free database GB", max_digits=9, decimal_places=2, null=True, blank=True)
    free_file_gb = models.DecimalField("free file GB", max_digits=9, decimal_places=2, null=True, blank=True)
    free_log_gb = models.DecimalField("free log GB", max_digits=9, decimal_places=2, null=True, blank=True)
    refreshed_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When somebody last said that it was copied anew: what was loaded before may be gone.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["engagement", "kind"], name="environment_kind_once"),
            models.CheckConstraint(
                condition=models.Q(free_database_gb__isnull=True) | models.Q(free_database_gb__gte=0), name="environment_free_database"
            ),
            models.CheckConstraint(
                condition=models.Q(free_file_gb__isnull=True) | models.Q(free_file_gb__gte=0), name="environment_free_file"
            ),
            models.CheckConstraint(
                condition=models.Q(free_log_gb__isnull=True) | models.Q(free_log_gb__gte=0), name="environment_free_log"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.engagement} {self.get_kind_display().lower()}"

    @property
    def is_production(self) -> bool:
        """True for production, which asks for the sandbox sign-off."""
        return self.kind == self.Kind.PRODUCTION


class AppendOnly(models.Model):
    """A row that is written once: changing or deleting it is refused here and by a trigger in the database."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; never update."""
        if self.pk is not None:
            raise TypeError(f"{self._meta.verbose_name} rows are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise TypeError(f"{self._meta.verbose_name} rows are never deleted.")


class Redactable(AppendOnly):
    """A row that is written once, and of which what names people may be taken out again, see `redaction`; its own hashes stay.

    OF_PEOPLE: the fields that may. redacted_hash: SHA-256 of what stands in them since; empty where nothing was taken out.
    """

    OF_PEOPLE: ClassVar[tuple[str, ...]]

    redacted_hash = models.CharField(max_length=64, blank=True, default="", editable=False)

    class Meta:
        abstract = True


class SignOff(Redactable):
    """A signature of the customer. It covers plan parts at exact versions and the content that the page showed.

    covers: {part: {"version": int, "sha256": str}}. A part whose hash differs now is no longer covered.
    """

    OF_PEOPLE = ("content", "note")

    class Kind(models.TextChoices):
        MATRIX = "matrix", "Split matrix and companies"
        SANDBOX = "sandbox", "Sandbox run"
        SCHEMA = "schema", "Removal of the schema"

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="signoffs")
    kind = models.CharField(max_length=12, choices=Kind)
    covers = models.JSONField()
    content = models.JSONField(help_text="What the signer was shown.")
    content_sha256 = models.CharField(max_length=64)
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(default=timezone.now)
    address = models.GenericIPAddressField(null=True)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["-signed_at"]
        verbose_name = "sign-off"

    def __str__(self) -> str:
        return f"{self.get_kind_display()} signed {self.signed_at:%Y-%m-%d %H:%M} UTC"

    def uncovered(self, hashes: Mapping[str, str]) -> list[str]:
        """The parts of `hashes` (part -> SHA-256 now) that it doesn't cover as they are."""
        return [part for part, digest in hashes.items() if self.covers.get(part, {}).get("sha256") != digest]


class AuditEntry(Redactable):
    """One link of the engagement's history; `hash` covers the entry and the hash before it."""

    OF_PEOPLE = ("subject", "detail")

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="history")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=150, help_text="User name, or the task that acted.")
    action = models.CharField(max_length=80)
    subject = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["engagement_id", "number"]
        constraints = [models.UniqueConstraint(fields=["engagement", "number"], name="audit_number_once")]
        indexes = [models.Index(fields=["engagement", "id"])]
        verbose_name = "history entry"
        verbose_name_plural = "history"

    def __str__(self) -> str:
        return f"{self.number}. {self.action} {self.subject}"
