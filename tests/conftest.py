"""For all tests: what the engine keeps on disk goes to a folder of the run's own."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("NAMEBRUSH_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()
