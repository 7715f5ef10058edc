"""What all tests share: one event loop library, repeatable properties, a real Valkey."""

import signal

import pytest
from hypothesis import settings

pytest_plugins = ["tests.valkey"]

# A shell lets what it runs in the background ignore SIGINT, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples each time, and no deadline: a busy machine is no failure.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the gateway does."""
    return "asyncio"
