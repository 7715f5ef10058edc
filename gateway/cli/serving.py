"""`narkasa-gateway serve`: the production entry."""

import socket
from collections.abc import Mapping

import typer

from gateway.app import serve as serve_gateway
from gateway.cli.checking import is_sound
from gateway.settings import PREFIX, Settings, load_settings


def serve(environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM (0); 2, with a line for each fault, if the configuration is none."""
    if not is_sound(environ, connect=False):
        return 2
    settings = load_settings(environ)
    if problem := _unusable_port(settings):
        typer.echo(problem, err=True)
        return 2
    serve_gateway(settings)
    return 0


def _unusable_port(settings: Settings) -> str | None:
    """Why nobody can listen there, found before anything is connected or put on record."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        return f"{PREFIX}HOST, {PREFIX}PORT: {error.strerror}"
    return None
