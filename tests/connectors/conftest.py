from collections.abc import Iterator

import pytest

from tests.connectors.loopback import Service, serving


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as running:
        yield running
