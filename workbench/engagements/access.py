"""Who may work on what: engineers in the admin, by their role in the engagement."""

from django.contrib.auth.models import AnonymousUser, User

from workbench.engagements.models import Engagement, EngagementQuerySet, Membership, Role


def workable_by(user: User | AnonymousUser) -> EngagementQuerySet:
    """The engagements that `user` may change in the admin: those visible to them where they are an engineer, all for a superuser."""
    visible = Engagement.objects.visible_to(user)
    if not user.is_staff:
        return visible.none()
    if user.is_superuser:
        return visible
    return visible.filter(pk__in=Membership.objects.filter(user=user, role=Role.ENGINEER).values("engagement"))


def roles_of(user: User | AnonymousUser, engagement: Engagement) -> set[str]:
    """The roles of `user` in the engagement; empty where they have none."""
    return set(Membership.objects.filter(engagement=engagement, user=user.pk).values_list("role", flat=True))
