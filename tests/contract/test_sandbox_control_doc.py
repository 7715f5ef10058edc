"""docs/sandbox-control.md names all that the sandbox's control endpoint takes and tells."""

import re
from pathlib import Path

from msgspec.structs import fields
from starlette.routing import Mount, Route

from gateway.sandbox import SandboxConfig
from gateway.sandbox.app import create_app
from gateway.sandbox.faults import Fault, Outcome

TEXT = (Path(__file__).parents[2] / "docs" / "sandbox-control.md").read_text()
_FIRST_CELLS = re.compile(r"^\| (.*?) \|", re.MULTILINE)


def first_cells(heading: str) -> list[str]:
    """The first cell of each table row below a heading; "" is the page's top."""
    section = TEXT.partition(f"\n## {heading}\n")[2] if heading else TEXT
    return _FIRST_CELLS.findall(section.partition("\n## ")[0])


def test_every_control_address_has_its_row() -> None:
    documented = {
        (method, path)
        for methods, path in re.findall(r"([A-Z, ]+) `(/control/\S+)`", "\n".join(first_cells("")))
        for method in methods.split(", ")
    }
    app = create_app(SandboxConfig(control=True, history=False), lambda: 0)
    (mount,) = [route for route in app.routes if isinstance(route, Mount)]
    served = {
        (method, f"/control{route.path}".replace(":int", ""))
        for route in mount.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert documented == served


def test_every_outcome_has_its_row() -> None:
    documented = {cell.strip("`") for cell in first_cells("Faults")}
    assert documented >= {outcome.value for outcome in Outcome}


def test_every_member_of_a_fault_is_told() -> None:
    section = TEXT.partition("\n## Faults\n")[2].partition("\n## ")[0]
    members = {field.encode_name for field in fields(Fault)}
    assert {name for name in members if f"`{name}`" not in section} == set()
