"""What of the caller's environment reaches the servers that `dev` starts."""

from pathlib import Path

from gateway.cli.dev.environment import displaced, gateway_environ, other_environ, own_settings
from gateway.cli.dev.ports import Ports
from gateway.cli.dev.workspace import Workspace
from gateway.settings import load_settings

OWN = own_settings(Ports(1, 2), Workspace(Path("/x/.dev")), Path("/x/.dev/valkey.sock"))


def test_the_settings_make_a_gateway_that_talks_to_the_sandbox_alone() -> None:
    settings = load_settings(gateway_environ({}, OWN))
    assert settings.host == "127.0.0.1"
    assert settings.exchange_rest_url == "http://127.0.0.1:2"
    assert settings.exchange_ws_url == "ws://127.0.0.1:2/v3"
    assert settings.credentials_dir == Path("/x/.dev/credentials")


def test_the_cache_and_the_journal_are_databases_apart() -> None:
    settings = load_settings(gateway_environ({}, OWN))
    urls = {
        settings.cache_redis_url.get_secret_value(),
        settings.state_redis_url.get_secret_value(),
    }
    assert len(urls) == 2


def test_orders_are_taken_although_the_journal_could_lose_them_whatever_the_shell_says() -> None:
    shell = {"NGW_JOURNAL_ACCEPT_VOLATILE": "false"}
    assert load_settings(gateway_environ(shell, OWN)).journal_accept_volatile
    assert displaced(shell, OWN) == ["NGW_JOURNAL_ACCEPT_VOLATILE"]


def test_a_setting_of_the_shell_that_is_not_for_dev_to_decide_holds() -> None:
    environ = gateway_environ({"NGW_LOG_LEVEL": "DEBUG", "NGW_LOG_FORMAT": "json"}, OWN)
    settings = load_settings(environ)
    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")


def test_production_keys_and_addresses_in_the_shell_never_reach_the_gateway() -> None:
    shell = {
        "NGW_CREDENTIALS": '{"live": {"api_key": "k", "api_secret": "s"}}',
        "NGW_KEYS_FILE": "/live/keys.json",
        "NGW_KEY_ENCRYPTION_KEY_FILE": "/live/kek",
        "NGW_EXCHANGE_REST_URL": "https://api.narkasa.com",
        "NGW_HOST": "0.0.0.0",  # noqa: S104
        "NGW_LOG_LEVEL": "DEBUG",
        "PATH": "/bin",
    }
    settings = load_settings(gateway_environ(shell, OWN))
    assert (settings.credentials, settings.keys_file) == (None, None)
    assert (settings.host, settings.exchange_rest_url) == ("127.0.0.1", "http://127.0.0.1:2")
    assert displaced(shell, OWN) == sorted(shell.keys() - {"NGW_LOG_LEVEL", "PATH"})


def test_the_other_servers_get_no_setting_at_all() -> None:
    shell = {"NGW_CREDENTIALS": "{}", "NGW_LOG_LEVEL": "DEBUG", "PATH": "/bin"}
    assert other_environ(shell) == {"PATH": "/bin"}
