import pytest

from .exports import truth_of


@pytest.fixture(scope="session")
def truth():
    """Six rooms."""
    return truth_of(6)
