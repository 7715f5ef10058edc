from gateway.sandbox.endpoints import PublicEndpoint
from gateway.sandbox.exchange import ENDPOINTS as OF_THE_SANDBOX
from gateway.web.facade.access import Access
from gateway.web.facade.endpoints import ENDPOINTS, Endpoint


def test_the_facade_has_the_endpoints_that_the_sandbox_has() -> None:
    assert set(ENDPOINTS) == {(method, f"/{path}") for method, path in OF_THE_SANDBOX}


def test_what_needs_no_signature_at_the_sandbox_needs_none_at_the_facade() -> None:
    for (method, path), endpoint in OF_THE_SANDBOX.items():
        public = ENDPOINTS[method, f"/{path}"].access is Access.PUBLIC
        assert public == isinstance(endpoint, PublicEndpoint), path


def test_every_endpoint_that_changes_something_is_under_the_replay_guard() -> None:
    mutating = {path.rpartition("/")[2] for (_, path), each in ENDPOINTS.items() if _mutates(each)}
    kinds = ("limit", "market", "stop-limit", "fast")
    orders = {f"{kind}-{side}" for kind in kinds for side in ("buy", "sell")}
    assert mutating == {*orders, "cancel-order", "create-withdraw"}


def _mutates(endpoint: Endpoint) -> bool:
    return endpoint.access.mutates
