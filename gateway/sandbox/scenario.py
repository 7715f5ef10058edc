"""A scenario file: the world that a sandbox starts with, in YAML (and so in JSON as well).

Every scalar is read as the text that stands in the file, so no number passes through a float.
All faults are told at once, each with its path in the file; values are never shown, since some
are secrets. Every key is described in docs/sandbox.md.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from gateway.sandbox.config import SandboxConfig
from gateway.sandbox.scenario_shapes import ScenarioShape
from gateway.sandbox.scenario_world import build_config

_LONGEST_KEY_SHOWN = 32
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "model_type": "expected a mapping, 'key: value'",
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping, 'key: value'",
}


@dataclass(eq=False)
class BadScenario(Exception):
    """A scenario file is refused whole, for all of ``faults``. They show no value of it."""

    path: Path
    faults: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(f"{self.path}: {fault}" for fault in self.faults)


def load_scenario(path: Path) -> SandboxConfig:
    """Read what a file says of the world; host, port and control are not its to say.

    Raises BadScenario.
    """
    try:
        content = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - it builds only texts
        shape = ScenarioShape.model_validate(content)
    except OSError as error:
        raise BadScenario(path, (error.strerror or "cannot be read",)) from error
    except yaml.YAMLError as error:
        raise BadScenario(path, (_yaml_fault(error),)) from None
    except ValidationError as error:
        raise BadScenario(path, tuple(_shape_faults(error))) from None
    faults: list[str] = []
    config = build_config(shape, faults)
    if faults:
        raise BadScenario(path, tuple(faults))
    return config


class _Loader(yaml.BaseLoader):
    """Builds mappings, lists and texts; of a key that is given twice, neither value counts."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the loader's signature
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _fault_at(key, "a key is no text")
            if key.value in seen:
                raise _fault_at(key, "a key is given twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _fault_at(node: yaml.Node, problem: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)


def _yaml_fault(error: yaml.YAMLError) -> str:
    """Name the line; what the error itself quotes may be a secret."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    if isinstance(error, yaml.constructor.ConstructorError):
        return f"{where}{error.problem}"
    return f"{where}not valid YAML"


def _shape_faults(error: ValidationError) -> Iterator[str]:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    for detail in details:
        sentence = _SENTENCES.get(detail["type"], detail["msg"])
        yield f"{_place(detail['loc'])}: {sentence}"


def _place(location: tuple[int | str, ...]) -> str:
    """Write a path as in ``accounts[0].keys[1].apiKey``."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step[:_LONGEST_KEY_SHOWN]}"
    return text.removeprefix(".") or "the file"
