"""How commands are told which environment they are for."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management.base import CommandError

from workbench.engagements.models import Engagement, Environment


def add_arguments(parser: ArgumentParser) -> None:
    """ENVIRONMENT and --user."""
    parser.add_argument("environment", metavar="ENVIRONMENT", help="the engagement's slug and the kind, as in northwind/production")
    add_user(parser)


def add_user(parser: ArgumentParser) -> None:
    """--user."""
    parser.add_argument("--user", metavar="NAME", help="who asks, for the history; without it the first superuser")


def environment_of(options: Mapping[str, Any]) -> Environment:
    """The environment that was named. Raises CommandError."""
    slug, _, kind = options["environment"].rpartition("/")
    found = Environment.objects.filter(engagement__slug=slug, kind=kind).select_related("engagement", "connection").first()
    if found is None:
        known = sorted(f"{one.engagement.slug}/{one.kind}" for one in Environment.objects.select_related("engagement"))
        raise CommandError(f"There is no environment {options['environment']}. There are: {', '.join(known) or 'none'}.")
    return found


def engagement_of(slug: str) -> Engagement:
    """The engagement that was named. Raises CommandError."""
    found = Engagement.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Engagement.objects.order_by("slug").values_list("slug", flat=True))
        raise CommandError(f"There is no engagement {slug}. There are: {known or 'none'}.")
    return found


def user_of(options: Mapping[str, Any]) -> User:
    """Who asks. Raises CommandError."""
    users = get_user_model().objects
    named = users.filter(username=options["user"]) if options["user"] else users.filter(is_superuser=True).order_by("pk")
    user = named.first()
    if user is None:
        raise CommandError("There is no such user. Name one with --user.")
    return user
