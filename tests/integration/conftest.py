"""What integration tests share."""

import pytest

from tests.fixtures.browser import launched


@pytest.fixture(scope="module")
def browser():
    """One Chromium for the pages of a module; longer, and its event loop would be in other tests' way."""
    with launched() as found:
        yield found
