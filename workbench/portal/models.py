"""Failed sign-ins of the last quarter of an hour, so that guessing passwords is slow whatever server answers."""

from django.db import models
from django.utils import timezone


class FailedSignIn(models.Model):
    """One failed sign-in. `key` is a keyed hash of name, address or both: what people typed isn't kept."""

    key = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["key", "at"]), models.Index(fields=["at"])]

    def __str__(self) -> str:
        return f"failed sign-in at {self.at:%Y-%m-%d %H:%M}"
