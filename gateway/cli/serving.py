"""`narkasa-gateway serve`: the production entry."""

from collections.abc import Mapping

from gateway.app import serve as serve_gateway
from gateway.cli.checking import is_sound
from gateway.settings import load_settings


def serve(environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM (0); 2, with a line for each fault, if the configuration is none."""
    if not is_sound(environ, connect=False):
        return 2
    serve_gateway(load_settings(environ))
    return 0
