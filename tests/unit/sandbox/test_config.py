import pytest

from gateway.sandbox import Account, KeyPair, SandboxConfig


def test_keys_and_secrets_do_not_show() -> None:
    config = SandboxConfig(accounts=(Account("demo", (KeyPair("the-key", "the-secret"),), {}),))
    assert "the-" not in repr(config)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_control_is_for_this_machine(host: str) -> None:
    assert SandboxConfig(host=host, control=True).control


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])  # noqa: S104
def test_control_is_refused_where_others_could_reach_it(host: str) -> None:
    with pytest.raises(ValueError, match=f"control needs a loopback host, not {host}"):
        SandboxConfig(host=host, control=True)
