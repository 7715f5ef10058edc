"""Where `dev` meets the real terminal, clock and randomness."""

import os
import secrets
import shlex
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from gateway.cli.dev import tether
from gateway.cli.dev.run import Surroundings, run
from gateway.observability import Redactor, configure_logging


def start(*, die_with_parent: bool) -> int:
    """Run in the current directory and give the exit status.

    With `die_with_parent`, the end of the parent process is as good as a Ctrl-C.
    """
    if die_with_parent:
        tether.tie(os.getppid(), signal.SIGTERM)
    # What it has to say it says itself; its parts speak up for what went wrong alone.
    configure_logging("ERROR", "console", Redactor(), sys.stderr)
    folder = Path.cwd()
    return run(
        Surroundings(
            environ=os.environ,
            folder=folder,
            program=_program(folder),
            clock=time.monotonic,
            random_bytes=secrets.token_bytes,
            say=_terminal(),
        )
    )


def _terminal() -> Callable[[str], None]:
    # Colours where there is a terminal, and no line broken: commands are to be pasted.
    console = Console(soft_wrap=True, markup=False, emoji=False)

    def say(text: str) -> None:
        # Servers are to be stopped in order also when the terminal has gone; rich then exits.
        with suppress(OSError, SystemExit):
            console.print(text)

    return say


def _program(folder: Path) -> str:
    """The command line's program as one would type it in `folder`."""
    script = Path(sys.argv[0]).absolute()
    if script.suffix == ".py":
        return f"{shlex.quote(sys.executable)} -m gateway.cli"
    inside = script.is_relative_to(folder)
    return shlex.quote(str(script.relative_to(folder) if inside else script))
