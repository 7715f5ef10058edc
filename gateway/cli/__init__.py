"""The command line, `narkasa-gateway`.

Each command is declared here and does its work in a module of its own, which is imported when it
runs: `--help` waits for nothing.
"""

from gateway.cli.commands import app


def main() -> None:
    """Run the command that the process was started with."""
    app()
