import pytest

from mapping.consent import Consent, ConsentRules, consent, consent_content, stricter_values, topic_answers, topics_of
from workbench.engagements.errors import BadInput

CHANNELS = [
    {"id": 31, "name": "News", "channelType": "Marketing", "messageMedium": "Email"},
    {"id": 32, "name": "Receipts", "channelType": "Transactional", "messageMedium": "Email"},
    {"id": 33, "name": "Alerts", "channelType": "Marketing", "messageMedium": "SMS"},
    {"id": 34, "name": "In app", "channelType": "Marketing", "messageMedium": "InApp"},
]
TYPES = [
    {"id": 902, "name": "Weekly", "channelId": 31, "subscriptionPolicy": "OptOut"},
    {"id": 903, "name": "Offers", "channelId": 31, "subscriptionPolicy": "OptIn"},
    {"id": 904, "name": "Order", "channelId": 32, "subscriptionPolicy": "OptOut"},
    {"id": 905, "name": "Text", "channelId": 33, "subscriptionPolicy": "OptIn"},
]
LISTS = [{"id": 7, "name": "Never", "listType": "Suppression"}, {"id": 8, "name": "VIP", "listType": "Standard"}]
CONTENT = consent_content(CHANNELS, TYPES, LISTS)
RULES = ConsentRules.from_content(CONTENT)


def profile(lists=None, channels=None, out=None, subscribed=None):
    arrays = {
        "emailListIds": lists,
        "unsubscribedChannelIds": channels,
        "unsubscribedMessageTypeIds": out,
        "subscribedMessageTypeIds": subscribed,
    }
    return {name: value for name, value in arrays.items() if value is not None}


def answers(record, rules=RULES):
    found = consent(record, rules)
    return found.email, found.sms, found.push, found.inapp


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (profile(), ("unknown",) * 4),
        (profile(lists=[8]), ("unknown",) * 4),
        (profile(channels=[]), ("in", "out", "unknown", "out")),
        (profile(channels=[31]), ("out", "out", "unknown", "out")),
        (profile(channels=[32]), ("in", "out", "unknown", "out")),
        (profile(out=[902], subscribed=[903]), ("out", "out", "unknown", "out")),
        (profile(out=[904]), ("in", "out", "unknown", "out")),
        (profile(out=[], subscribed=[905]), ("in", "in", "unknown", "out")),
        (profile(out=[905], subscribed=[905]), ("in", "out", "unknown", "out")),
        (profile(lists=[7], channels=[], subscribed=[903, 905]), ("out",) * 4),
    ],
)
def test_answers_follow_the_rule(record, expected):
    assert answers(record) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (profile(), ["unknown"] * 4),
        (profile(channels=[]), ["in", "out", "out", "out"]),
        (profile(subscribed=[903, 905]), ["in", "in", "in", "out"]),
        (profile(out=[902], subscribed=[902]), ["out", "out", "out", "out"]),
        (profile(channels=[31], subscribed=[903, 905]), ["out", "out", "in", "out"]),
        (profile(lists=[7], subscribed=[903]), ["out"] * 4),
        (profile(channels="nonsense", subscribed=[903]), ["out"] * 4),
    ],
)
def test_of_a_topic_counts_what_is_said_of_its_channel_and_of_itself(record, expected):
    topics = topics_of(CONTENT)
    assert [(one.medium, one.purpose, one.name) for one in topics] == [
        ("email", "News", "Weekly"), ("email", "News", "Offers"), ("sms", "Alerts", "Text"), ("inapp", "In app", ""),
    ]  # fmt: skip
    assert topic_answers(record, RULES, topics) == expected


def test_what_no_profile_can_name_is_left_out():
    entries = [{"name": "without an id"}, {"id": "x"}, {"id": None}, {"id": [31]}]
    content = consent_content([*CHANNELS, *entries], [*TYPES, *entries, {"id": 906}, {"id": 907, "channelId": "x"}], [*LISTS, *entries])
    assert content == CONTENT


def test_without_an_opt_out_type_only_a_subscription_counts_as_in():
    rules = ConsentRules.from_content(consent_content(CHANNELS, [TYPES[1]], LISTS))
    assert answers(profile(channels=[]), rules)[0] == "out"
    assert answers(profile(subscribed=[903]), rules)[0] == "in"


def test_ids_may_be_numbers_or_numeric_text_or_an_array_written_as_text():
    assert answers(profile(channels=["31"]))[0] == answers(profile(channels="[31]"))[0] == answers(profile(channels=[31.0]))[0] == "out"


@pytest.mark.parametrize("array", ["nonsense", {"a": 1}, [None], [[31]], ["x"], [True], 31, [1.5], "[", ["9" * 5_000]])
@pytest.mark.parametrize("place", ["lists", "channels", "out", "subscribed"])
def test_an_array_that_cannot_be_read_counts_as_refusal_of_everything(place, array):
    found = consent(profile(**{"subscribed": [903, 905], place: array}), RULES)
    assert (found.email, found.sms, found.push, found.inapp) == ("out",) * 4
    assert [issue.code for issue in found.issues] == ["consent.unreadable"]


def test_ids_that_were_not_signed_are_noted():
    assert consent(profile(channels=[31, 99], out=[98]), RULES).issues[0].detail == "99, 98"


def test_unknown_counts_as_the_customer_signed_and_refused_by_default():
    nothing = consent({}, RULES)
    assert nothing.values("mwb") == {
        "donotbulkemail": True, "mwb_sms_opt_out": True, "mwb_push_opt_out": True, "mwb_inapp_opt_out": True,
    }  # fmt: skip
    assert not any(nothing.values("mwb", ConsentRules.from_content({**CONTENT, "unknown": "in"}).unknown_is_out).values())


def test_a_sellers_own_mail_is_stopped_only_by_what_the_customer_named():
    assert "donotemail" not in consent(profile(lists=[7]), RULES).values("mwb")
    named = ConsentRules.from_content({**CONTENT, "donotemail": {"channels": [31], "message_types": [], "suppressed": True}})
    assert consent(profile(lists=[7]), named).values("mwb")["donotemail"] is True
    assert consent(profile(channels=[31]), named).no_mail
    assert not consent(profile(channels=[32]), named).no_mail


def test_an_existing_refusal_is_never_taken_back():
    ours = Consent("in", "out", "out", "in").values("mwb")
    existing = {"donotbulkemail": True, "mwb_sms_opt_out": False, "mwb_push_opt_out": True, "mwb_inapp_opt_out": None}
    assert stricter_values(ours, existing) == {"mwb_sms_opt_out": True, "mwb_inapp_opt_out": False}


def test_rules_that_cannot_be_read_are_refused():
    with pytest.raises(BadInput):
        ConsentRules.from_content({"channels": [{"id": "x"}], "message_types": [], "suppression_lists": []})
    with pytest.raises(BadInput):
        ConsentRules.from_content({})


def test_refusals_count_of_what_is_newer_than_the_signature_and_nothing_gets_weaker():
    channels = [*CHANNELS, {"id": 36, "name": "More news", "channelType": "Marketing", "messageMedium": "Email"}]
    types = [*TYPES, {"id": 906, "name": "Daily", "channelId": 33, "subscriptionPolicy": "OptOut"}]
    now = ConsentRules.from_content(consent_content(channels, types, [{"id": 9, "name": "No more", "listType": "Suppression"}]))
    rules = RULES.heeding(now)
    assert answers(profile(channels=[36], subscribed=[905]), rules) == ("out", "in", "unknown", "out")
    assert answers(profile(out=[906], subscribed=[905]), rules) == ("in", "out", "unknown", "out")
    assert answers(profile(channels=[]), rules) == answers(profile(channels=[]))  # nobody signed that an opt-out type counts as in
    assert answers(profile(lists=[9], channels=[]), rules) == answers(profile(lists=[7], channels=[]), rules) == ("out",) * 4
    assert RULES.heeding(RULES) == RULES
