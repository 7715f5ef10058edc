"""The few settings of the gateway that `keys` needs; the others may be missing or wrong."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, SecretStr

from gateway.cli.some_settings import some_settings
from gateway.domain.signing import PostForm
from gateway.setting_values import RedisAddress, RestAddress, Seconds
from gateway.settings import Settings

_GATEWAYS = Settings.model_fields


class KeysSettings(BaseModel):
    """Settings as the gateway has them, with its defaults."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    key_encryption_key: SecretStr | None = None
    exchange_rest_url: RestAddress = _GATEWAYS["exchange_rest_url"].default
    exchange_post_form: PostForm = _GATEWAYS["exchange_post_form"].default
    exchange_connect_timeout_s: Seconds = _GATEWAYS["exchange_connect_timeout_s"].default
    exchange_read_timeout_s: Seconds = _GATEWAYS["exchange_read_timeout_s"].default
    order_window_ms: int = _GATEWAYS["order_window_ms"].default
    state_redis_url: RedisAddress | None = None
    redis_timeout_s: Seconds = _GATEWAYS["redis_timeout_s"].default


def keys_settings(environ: Mapping[str, str]) -> KeysSettings:
    """Read them out of `environ`; raise `SettingsFault` with every fault of these at once."""
    return some_settings(KeysSettings, environ)
