"""An export without a single usable record is an engagement like any other: it plays to the end and balances."""

import pytest

from tests import folders
from tests.playing import OTHERS, Played, play

pytestmark = pytest.mark.django_db
BAD = [b"{", b"[]", b"null", b'"x"', b"7", b'{"a": NaN}', b"\xff\xfe"]
# What is sent, and whether all objects are asked for: without a record one is as the other, so that one of the plays shows them.
EXPORTS = {"empty": ([], True), "only bad lines": (BAD, False)}


@pytest.fixture(scope="module", params=EXPORTS)
def played(request, django_db_setup, django_db_blocker, tmp_path_factory) -> Played:
    """One play per export, into the sandbox alone: production is gone into the same way."""
    with django_db_blocker.unblock():
        lines, whole = EXPORTS[request.param]
        folder = folders.write(tmp_path_factory.mktemp("source"), lines)
        leave = () if whole else OTHERS
        return play(folder, tmp_path_factory.mktemp("work"), leave=leave, documents=True, sandbox_only=True, whole=whole)


def test_it_plays_to_the_end_and_every_line_is_counted(played):
    assert played.said[-1] == "Handoff: done"
    assert all(phase["balanced"] for phase in played.summary["phases"])
    extracted, rejected = (sum(phase[name] for phase in played.summary["phases"]) for name in ("extracted", "rejected"))
    assert extracted == rejected == len(played.exceptions)
    assert extracted in (0, len(BAD))
    assert played.rows("contact") == played.rows("lead") == played.rows("account") == []
