import pytest

from elsa_lightning.data.download.fetch import Line

from .server import serving


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        yield server


@pytest.fixture
def pauses():
    """Seconds that the line was told to wait."""
    return []


@pytest.fixture
def line(pauses):
    return Line(timeout_s=10, tries=4, sleep=pauses.append)
