"""`narkasa-gateway serve`: the production entry."""

from collections.abc import Mapping

import typer

from gateway.access.faults import BadPolicy
from gateway.app import serve as serve_gateway
from gateway.custody import FaultyCredentials
from gateway.settings import SettingsFault, load_settings


def serve(environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM (0); 2, with a line for each fault, if the configuration is none."""
    try:
        serve_gateway(load_settings(environ))
    except (SettingsFault, BadPolicy, FaultyCredentials) as fault:
        typer.echo(str(fault), err=True)
        return 2
    return 0
