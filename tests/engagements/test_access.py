import pytest
from django.contrib.auth.models import AnonymousUser

from tests.pages import cast
from workbench.engagements.access import roles_of, workable_by
from workbench.engagements.models import Engagement, Membership, Role

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def northwind():
    return cast.make_engagement("Northwind")


@pytest.fixture
def people(northwind):
    return cast.make_cast(northwind)


@pytest.fixture
def contoso():
    return cast.make_engagement("Contoso")


@pytest.mark.usefixtures("contoso")
@pytest.mark.parametrize("role", ["engineer", "approver", "viewer", "admin"])
def test_a_member_sees_their_own_engagements_only(northwind, people, role):
    assert list(Engagement.objects.visible_to(getattr(people, role))) == [northwind]


def test_two_roles_in_one_engagement_show_it_once(northwind, people):
    Membership.objects.create(engagement=northwind, user=people.approver, role=Role.VIEWER)
    assert Engagement.objects.visible_to(people.approver).count() == 1
    assert roles_of(people.approver, northwind) == {"approver", "viewer"}


def test_nobody_sees_anything_unless_they_are_signed_in_and_active(people):
    people.viewer.is_active = False
    assert not Engagement.objects.visible_to(people.viewer)
    assert not Engagement.objects.visible_to(AnonymousUser())


@pytest.mark.usefixtures("northwind", "contoso")
def test_a_superuser_sees_all():
    boss = cast.make_user("boss", superuser=True)
    assert Engagement.objects.visible_to(boss).count() == workable_by(boss).count() == 2


def test_an_engineer_works_only_where_they_are_the_engineer(northwind, contoso, people):
    Membership.objects.create(engagement=contoso, user=people.engineer, role=Role.VIEWER)
    Membership.objects.create(engagement=contoso, user=people.approver, role=Role.ENGINEER)
    assert list(workable_by(people.engineer)) == [northwind]


def test_an_engineer_who_is_not_staff_works_nowhere(people):
    people.engineer.is_staff = False
    assert not workable_by(people.engineer)
