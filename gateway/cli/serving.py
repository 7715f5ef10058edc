"""`narkasa-gateway serve`: the production entry."""

from collections.abc import Mapping

import typer

from gateway.access.faults import BadPolicy
from gateway.app import serve as serve_gateway
from gateway.custody import FaultyCredentials
from gateway.settings import PREFIX, Settings, SettingsFault, load_settings
from gateway.store.redis import BadStoreUrl


def serve(environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM (0); 2, with a line for each fault, if the configuration is none."""
    try:
        settings = load_settings(environ)
    except SettingsFault as fault:
        return _refuse(str(fault))
    return _serve(settings)


def _serve(settings: Settings) -> int:
    try:
        serve_gateway(settings)
    except BadPolicy as bad:
        return _refuse(
            "\n".join(f"{settings.policy_file}: {line}" for line in str(bad).split("\n"))
        )
    except FaultyCredentials as faulty:
        return _refuse(str(faulty))
    except BadStoreUrl as bad:
        return _refuse(f"{PREFIX}CACHE_REDIS_URL or {PREFIX}STATE_REDIS_URL: {bad}")
    return 0


def _refuse(problems: str) -> int:
    typer.echo(problems, err=True)
    return 2
