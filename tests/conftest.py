"""What every test stands on."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "thorough", parent=settings.get_profile("default"), max_examples=2000
)
settings.register_profile(
    "brief", parent=settings.get_profile("default"), max_examples=20
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

_PREFIXES = ("MAILBALANCE_", "MAILTRAP_", "AWS_", "SES_")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may depend on what the developer's shell has set."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Let ``-n auto`` run two workers a core: half of a run is waiting for servers."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return 2 * (os.cpu_count() or 1)


#: Seconds after which a proof is taken to hang; one that needs longer says so itself.
_PATIENCE = {"proof": 600, "slow": 7200}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give proofs time on a busy machine; all other tests keep the limit of the project."""
    for item in items:
        for mark, seconds in _PATIENCE.items():
            if item.get_closest_marker(mark) and not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(seconds))


@pytest.fixture
def calls_are_ours(request: pytest.FixtureRequest) -> None:
    """Skip what counts calls where the canary adds its own."""
    if request.config.pluginmanager.hasplugin("tests.canary"):
        pytest.skip("the calls of the canary would be counted")
