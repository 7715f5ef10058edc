"""The few settings of the gateway that `vkeys` needs; the others may be missing or wrong."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

from gateway.cli.some_settings import some_settings
from gateway.setting_values import RedisAddress, Seconds
from gateway.settings import Settings


class VirtualKeySettings(BaseModel):
    """Settings as the gateway has them, with its defaults."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    key_encryption_key: SecretStr | None = None
    policy_file: Path | None = None
    state_redis_url: RedisAddress
    redis_timeout_s: Seconds = Settings.model_fields["redis_timeout_s"].default


def virtual_key_settings(environ: Mapping[str, str]) -> VirtualKeySettings:
    """Read them out of `environ`; raise `SettingsFault` with every fault of these at once."""
    return some_settings(VirtualKeySettings, environ)
