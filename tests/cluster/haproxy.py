"""haproxy, as docs/examples/haproxy.cfg sets it up, in front of three replicas."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.programs import program, running
from tests.processes import free_port

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "haproxy.cfg"


@contextmanager
def proxy_for(ports: Sequence[int], folder: Path) -> Iterator[int]:
    """Run it before replicas on these ports; gives the port on which it listens."""
    port = free_port()
    moved = {8080: port, **{8001 + place: each for place, each in enumerate(ports)}}
    text = EXAMPLE.read_text(encoding="utf-8")
    text = re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda found: str(moved.pop(int(found[0]))), text)
    assert not moved, "the example is for as many replicas as there are"
    config = folder / "haproxy.cfg"
    config.write_text(text, encoding="utf-8")
    with running([program("haproxy"), "-db", "-f", config], folder / "haproxy.log"):
        yield port
