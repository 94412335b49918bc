"""The portal's addresses."""

from django.templatetags.static import static
from django.urls import path
from django.views.generic import RedirectView

from workbench.portal import decisions, documents, held, invitation, losses, owners, quality, reading, rules, signing, tickets, views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("favicon.ico", RedirectView.as_view(url=static("workbench/icon.svg"))),
    path("sign-in/", views.SignIn.as_view(), name="sign_in"),
    path("sign-out/", views.SignOut.as_view(), name="sign_out"),
    path("invitation/", invitation.InvitationPage.as_view(), name="invitation"),
    path("invitation/<str:token>/", invitation.open_link, name="invitation_link"),
    path("password/", views.ChangePassword.as_view(), name="password"),
    path("engagements/<slug:slug>/", views.overview, name="overview"),
    path("engagements/<slug:slug>/decisions/", decisions.DecisionsPage.as_view(), name="decisions"),
    path("engagements/<slug:slug>/owners/", owners.listing, name="owners"),
    path("engagements/<slug:slug>/owners/read-again/", owners.read_again, name="owners_read_again"),
    path("engagements/<slug:slug>/owners/many/", owners.AnswerPage.as_view(), name="owners_many"),
    path("engagements/<slug:slug>/owners/<int:pk>/", owners.AnswerPage.as_view(), name="owner"),
    path("engagements/<slug:slug>/owners/take-back/<uuid:batch>/", owners.take_back, name="owners_take_back"),
    path("engagements/<slug:slug>/rules/", rules.listing, name="rules"),
    path("engagements/<slug:slug>/quality/", quality.report, name="quality"),
    path("engagements/<slug:slug>/quality/decide/", quality.DecidePage.as_view(), name="quality_decide"),
    path("engagements/<slug:slug>/quality/duty/", quality.DutyPage.as_view(), name="quality_duty"),
    path("engagements/<slug:slug>/held/", held.listing, name="held"),
    path("engagements/<slug:slug>/held/<slug:key>/", held.AnswerPage.as_view(), name="held_group"),
    path("engagements/<slug:slug>/tickets/", tickets.listing, name="tickets"),
    path("engagements/<slug:slug>/tickets/raise/", tickets.RaisePage.as_view(), name="ticket_raise"),
    path("engagements/<slug:slug>/tickets/<int:number>/", tickets.TicketPage.as_view(), name="ticket"),
    path("engagements/<slug:slug>/scope/", views.scope, name="scope"),
    path("engagements/<slug:slug>/words/", views.glossary, name="glossary"),
    path("engagements/<slug:slug>/documents/", documents.listing, name="documents"),
    path("engagements/<slug:slug>/documents/<int:pk>/", documents.download, name="document"),
    path("engagements/<slug:slug>/documents/<int:pk>/read/", reading.read, name="read"),
    path("engagements/<slug:slug>/matrix/", signing.MatrixPage.as_view(), name="matrix"),
    path("engagements/<slug:slug>/sandbox/", signing.SandboxPage.as_view(), name="sandbox"),
    path("engagements/<slug:slug>/losses/", losses.LossesPage.as_view(), name="losses"),
    path("engagements/<slug:slug>/removal/", signing.RemovalPage.as_view(), name="removal"),
]
