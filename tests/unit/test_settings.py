import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.market import MarketKind
from gateway.exchange import Timeouts
from gateway.setting_values import Lifetime
from gateway.settings import PREFIX, Settings, SettingsFault, example, load_settings

GATEWAY = Path(__file__).parents[2] / "gateway"
ENOUGH = {
    "NGW_POLICY_FILE": "/etc/policy.yaml",
    "NGW_CREDENTIALS_DIR": "/etc/credentials",
    "NGW_CACHE_REDIS_URL": "redis://:cache-password@cache:6379/0",
    "NGW_STATE_REDIS_URL": "unix:///run/state.sock?password=state-password",
}


def problems(**changed: str) -> tuple[str, ...]:
    environ = ENOUGH | {f"{PREFIX}{name.upper()}": value for name, value in changed.items()}
    with pytest.raises(SettingsFault) as fault:
        load_settings(environ)
    return fault.value.problems


def test_what_must_be_set_is_enough() -> None:
    settings = load_settings({**ENOUGH, "HOME": "/root", "PATH": "/bin"})
    assert settings.credentials_dir == Path("/etc/credentials")
    assert settings.port == 8000


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(SettingsFault) as fault:
        load_settings({"NGW_PORT": "none", "NGW_NOTHING_LIKE_IT": "1", "NGW_LOG_LEVEL": "LOUD"})
    told = {problem.partition(":")[0] for problem in fault.value.problems}
    assert told == {
        "NGW_KEYS_FILE", "NGW_POLICY_FILE", "NGW_CACHE_REDIS_URL", "NGW_STATE_REDIS_URL",
        "NGW_PORT", "NGW_NOTHING_LIKE_IT", "NGW_LOG_LEVEL",
    }  # fmt: skip
    assert str(fault.value).splitlines() == list(fault.value.problems)


def test_an_unknown_name_suggests_the_one_that_is_near() -> None:
    assert problems(log_levle="INFO") == (
        "NGW_LOG_LEVLE: there is no such setting; did you mean NGW_LOG_LEVEL?",
    )
    assert problems(zzz="1") == ("NGW_ZZZ: there is no such setting",)


def test_an_order_keeps_its_lease_for_longer_than_the_longest_call_takes() -> None:
    assert Timeouts(connect=2, read=5).total == 12
    short = {"order_window_ms": "1000", "order_lease_s": "11"}
    (told,) = problems(**short)
    for name in ("ORDER_LEASE_S", "ORDER_WINDOW_MS", "CONNECT_TIMEOUT_S", "READ_TIMEOUT_S", "12 s"):
        assert name in told
    assert len(problems(exchange_read_timeout_s="60")) == 1
    environ = {f"{PREFIX}{name.upper()}": value for name, value in short.items()}
    assert load_settings({**ENOUGH, **environ, "NGW_ORDER_LEASE_S": "11.1"}).order_lease_s > 11


def test_an_empty_value_counts_as_not_set() -> None:
    assert load_settings({**ENOUGH, "NGW_PORT": " ", "NGW_UNHEARD_OF": ""}).port == 8000
    assert problems(policy_file="") == (
        "NGW_POLICY_FILE: not set. The policy: accounts, principals, token hashes, grants.",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "0"), ("port", "65536"), ("max_body_bytes", "0"), ("redis_timeout_s", "nan"),
        ("redis_timeout_s", "inf"), ("redis_timeout_s", "-1"), ("exchange_rest_url", "api.com"),
        ("exchange_rest_url", "http://host:99999"), ("exchange_rest_url", "http://host:x"),
        ("exchange_rest_url", "http://user@host"), ("exchange_rest_url", "http://:pw@host"),
        ("exchange_rest_url", "http://host/?a=b"), ("exchange_rest_url", "http://[::1"),
        ("exchange_rest_url", "http://host:0"), ("exchange_ws_url", "http://host"),
        ("cache_redis_url", "http://host"), ("allowed_origins", "*"),
        ("allowed_origins", "https://a.example.com/"), ("allowed_origins", "a.example.com"),
        ("allowed_origins", "https://A.example.com"), ("allowed_origins", "https://a.com?b"),
        ("lifetime_ticker", "5"), ("lifetime_ticker", "60/5"), ("lifetime_ticker", "0/5"),
        ("lifetime_ticker", "nan/5"), ("lifetime_ticker", "5/inf"), ("lifetime_ticker", "-1/5"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_by_its_name(name: str, value: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"{PREFIX}{name.upper()}: ")


def test_sentinels_may_name_the_master_of_a_redis_and_a_cluster_is_refused_in_words() -> None:
    for scheme in ("redis+sentinel", "rediss+sentinel"):
        address = f"{scheme}://:secret@one:26379,two:26379/trading/1"
        settings = load_settings(ENOUGH | {"NGW_STATE_REDIS_URL": address})
        assert settings.state_redis_url.get_secret_value() == address
    (problem,) = problems(state_redis_url="redis+cluster://one:7000,two:7000")
    assert "a Redis Cluster will not do" in problem


@given(st.text(st.characters(codec="utf-8"), min_size=12, max_size=40))
def test_a_refused_value_is_not_repeated(value: str) -> None:
    environ = ENOUGH | {
        f"{PREFIX}{name}": value
        for name in ("CACHE_REDIS_URL", "PORT", "LIFETIME_TICKER", "EXCHANGE_REST_URL")
    }
    with pytest.raises(SettingsFault) as fault:
        load_settings(environ)
    assert not value.strip() or value not in str(fault.value)


def test_the_example_read_back_is_the_defaults() -> None:
    environ = dict(ENOUGH)
    for name, value in re.findall(r"^(?:# )?(NGW_[A-Z_]+)=(.*)$", example(), re.MULTILINE):
        environ.setdefault(name, value)
    assert load_settings(environ) == load_settings(ENOUGH)


def test_the_example_says_of_every_setting_what_it_means() -> None:
    text = example()
    for name, field in Settings.model_fields.items():
        line = f"{PREFIX}{name.upper()}="
        assert f"# {field.description}\n{'' if field.is_required() else '# '}{line}" in text


def test_secrets_are_in_no_repr_and_no_text() -> None:
    settings = load_settings({**ENOUGH, "NGW_CREDENTIALS": '{"demo": "credential-secret"}'})
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        for secret in ("cache-password", "state-password", "credential-secret"):
            assert secret not in text


def test_lists_and_lifetimes_are_read_from_text() -> None:
    settings = load_settings(
        {
            **ENOUGH,
            "NGW_ALLOWED_ORIGINS": "https://a.example.com, http://localhost:3000,",
            "NGW_LIFETIME_TICKER": "0.5/2",
            "NGW_EXCHANGE_REST_URL": "http://host:80/",
        }
    )
    assert settings.allowed_origins == ("https://a.example.com", "http://localhost:3000")
    assert settings.lifetime(MarketKind.TICKER) == Lifetime(500, 2000)
    assert settings.exchange_rest_url == "http://host:80"


def test_every_kind_of_market_data_has_its_lifetimes() -> None:
    settings = load_settings(ENOUGH)
    for kind in MarketKind:
        assert settings.lifetime(kind).soft_ms <= settings.lifetime(kind).hard_ms


def test_every_setting_is_read_somewhere() -> None:
    sources = [path for path in GATEWAY.rglob("*.py") if path.name != "settings.py"]
    text = "\n".join(path.read_text() for path in sources)
    unread = [
        name
        for name in Settings.model_fields
        if not name.startswith("lifetime_") and not re.search(rf"settings\.{name}\b", text)
    ]
    assert unread == []


def test_a_key_encryption_key_may_stand_without_a_sealed_file_and_comes_once() -> None:
    both = {"key_encryption_key_file": "/etc/kek", "key_encryption_key": "a key"}
    for name, value in both.items():
        assert load_settings({**ENOUGH, f"{PREFIX}{name.upper()}": value}).keys_file is None
    (told,) = problems(**both)
    assert told.endswith("are both set; keep one of them")
    (told,) = problems(keys_file="/etc/keys.json")
    assert told.startswith("NGW_KEYS_FILE: needs the key-encryption key")
