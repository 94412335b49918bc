"""One engagement with the few records of several modules, brought to some points once; each test of theirs begins from one of these."""

import importlib
from pathlib import Path

from loads.models import Run
from tests import folders
from tests.spine import together
from tests.spine.taking_back import Loaded
from tests.spine.test_load_engine import Prepared

CONTACTS = 31  # that a run writes: of scans 25, one of which is there, of opting_out 4, of verification 2


class Few(Loaded):
    """One whose run is staged, its data-quality report answered as proposed, and not loaded yet."""

    def __init__(self, engagement, cast, servers) -> None:
        Prepared.__init__(self, engagement, cast, servers)
        self.run = self.finish_staging()


def loaded(few: Few) -> Few:
    """The same after its run."""
    few.run = few.finish(few.run)
    assert few.run.state == Run.State.DONE, few.run.message
    return few


def folder(path: Path) -> Path:
    """What the folders of the modules hold."""
    modules = map(importlib.import_module, together.names("tests.spine.test_scans"))
    return folders.joined(path, [one.folder(path.parent / one.__name__) for one in modules])
