"""Keys in use are in this process's memory: nothing but the process is to have it."""

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4


def keep_memory_private() -> None:
    """Leave no core file when this process crashes; on Linux let no other of its user look in.

    Raises OSError when the system refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The limit says nothing to a collector that the kernel pipes core files to; this does.
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
