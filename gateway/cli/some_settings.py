"""Reading a few of the gateway's settings; the others may be missing or wrong."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gateway.settings import PREFIX, Settings, SettingsFault

M = TypeVar("M", bound=BaseModel)


def some_settings(model: type[M], environ: Mapping[str, str]) -> M:
    """Read those that `model` has; raise `SettingsFault` with every fault of these at once."""
    given = {
        name: environ[variable]
        for name in model.model_fields
        if environ.get(variable := f"{PREFIX}{name.upper()}", "").strip()
    }
    try:
        return model.model_validate(given)
    except ValidationError as fault:
        raise SettingsFault(
            tuple(
                _sentence(str(error["loc"][0]), error["type"], error["msg"])
                for error in fault.errors(include_input=False)
            )
        ) from None


def _sentence(name: str, kind: str, message: str) -> str:
    setting = f"{PREFIX}{name.upper()}"
    if kind == "missing":
        return f"{setting}: not set. {Settings.model_fields[name].description}."
    return f"{setting}: {message}"
