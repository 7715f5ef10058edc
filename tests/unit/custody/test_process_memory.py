"""What the system would show of a process that holds keys."""

import subprocess
import sys

LOOK = """
import ctypes, resource
from gateway.custody.process_memory import keep_memory_private
PR_GET_DUMPABLE = 3
keep_memory_private()
print(*resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(PR_GET_DUMPABLE))
"""


def test_a_process_that_keeps_its_memory_private_leaves_no_core_file() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0", "0"]
