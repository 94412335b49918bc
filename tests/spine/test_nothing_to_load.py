"""An export without a single usable record is an engagement like any other: it plays to the end and balances."""

import pytest

from tests import folders
from tests.playing import Played, play

pytestmark = pytest.mark.django_db
BAD = [b"{", b"[]", b"null", b'"x"', b"7", b'{"a": NaN}', b"\xff\xfe"]
EXPORTS = {"empty": [], "only bad lines": BAD}


@pytest.fixture(scope="module", params=EXPORTS)
def played(request, django_db_setup, django_db_blocker, tmp_path_factory) -> Played:
    """One play per export, into the sandbox alone: production is gone into the same way."""
    with django_db_blocker.unblock():
        folder = folders.write(tmp_path_factory.mktemp("source"), EXPORTS[request.param])
        return play(folder, tmp_path_factory.mktemp("work"), documents=True, sandbox_only=True)


def test_it_plays_to_the_end_and_every_line_is_counted(played):
    assert played.said[-1] == "Handoff: done"
    assert all(phase["balanced"] for phase in played.summary["phases"])
    extracted, rejected = (sum(phase[name] for phase in played.summary["phases"]) for name in ("extracted", "rejected"))
    assert extracted == rejected == len(played.exceptions)
    assert extracted in (0, len(BAD))
    assert played.rows("contact") == played.rows("lead") == played.rows("account") == []
