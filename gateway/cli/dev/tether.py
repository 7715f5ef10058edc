"""Ties the life of a process to that of its parent, however the parent ends, kill -9 included.

As a script, for a command that cannot do so itself: it ties the process and becomes the command.

    python -I -S tether.py PARENT COMMAND [ARGUMENT...]

Standard library only, and nothing of the gateway: it runs before each server that it starts.
"""

import ctypes
import os
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_ORPHANED = 125


def tie(parent: int, signum: signal.Signals, *, kernel: bool = sys.platform == "linux") -> None:
    """Have this process receive `signum` when the process `parent`, its parent, has ended.

    On Linux the kernel sees to it (and holds to it after exec); elsewhere a small process that
    looks twice a second. Ends this process at once when the parent is gone already.
    """
    if kernel:
        _tie_by_kernel(signum)
    else:
        _tie_by_watcher(parent, signum)
    if os.getppid() != parent:
        sys.exit(_ORPHANED)


def _tie_by_kernel(signum: signal.Signals) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signum) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _tie_by_watcher(parent: int, signum: signal.Signals) -> None:
    tied = os.getpid()
    if os.fork() == 0:
        # Ctrl-C goes to the whole process group; the watcher ends with the process it watches for.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.closerange(0, 3)
        _watch(parent, tied, signum)
        os._exit(0)


def _watch(parent: int, tied: int, signum: signal.Signals) -> None:
    while os.getppid() == tied:
        if not _alive(parent):
            os.kill(tied, signum)
            return
        time.sleep(0.5)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def main() -> None:
    """Tie this process to its parent by SIGKILL, then run the command in its place."""
    parent, *command = sys.argv[1:]
    tie(int(parent), signal.SIGKILL)
    os.execv(command[0], command)  # noqa: S606 - the whole purpose; `dev` hands in what it starts


if __name__ == "__main__":
    main()
