"""Writes the chart's README from the comments of its values; `--check` only says whether it is so.

In `values.yaml` a line `## Words` begins a section; the comment above a value is its documentation,
and a value without one is a fault.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

CHART = Path(__file__).parents[1] / "helm" / "narkasa-gateway"
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
WIDEST_DEFAULT = 60


@dataclass(frozen=True)
class Entry:
    """A value of the chart, or with `default` None a group of them."""

    line: int
    path: str
    default: str | None
    text: str


class Undocumented(Exception):
    """A value has no comment."""


def entries(node: yaml.MappingNode, lines: list[str], above: str = "") -> Iterator[Entry]:
    """Every value under `node` in the file's order; raises `Undocumented`."""
    for key, value in node.value:
        path = f"{above}.{key.value}".removeprefix(".")
        line = key.start_mark.line
        text = comment(lines, line)
        if isinstance(value, yaml.MappingNode) and value.value and value.flow_style is False:
            if text:
                yield Entry(line, path, None, text)
            yield from entries(value, lines, path)
        elif text:
            yield Entry(line, path, shown(value), text)
        else:
            raise Undocumented(path)


def comment(lines: list[str], line: int) -> str:
    """The comment that stands right above a line, as one line."""
    above = line
    while above and lines[above - 1].lstrip().startswith("# "):
        above -= 1
    return " ".join(each.strip().removeprefix("# ") for each in lines[above:line])


def shown(node: yaml.Node) -> str:
    """A default as JSON; a long one is only pointed to."""
    text = json.dumps(yaml.safe_load(yaml.serialize(node)))
    return f"`{text}`" if len(text) <= WIDEST_DEFAULT else "see `values.yaml`"


def table(part: list[Entry]) -> str:
    """One section's values."""
    rows = ["| value | default | what it is |", "|---|---|---|"]
    rows += [f"| `{each.path}` | {each.default or ''} | {each.text} |" for each in part]
    return "\n".join(rows)


def readme() -> str:
    """The whole file."""
    source = (CHART / "values.yaml").read_text(encoding="utf-8")
    described = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    root = yaml.compose(source)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101  # so values are
    found = list(entries(root, source.splitlines()))
    sections = [(source[: each.start()].count("\n"), each[1]) for each in SECTION.finditer(source)]
    ends = [line for line, _title in sections[1:]] + [source.count("\n")]
    parts = [
        f"## {title}\n\n{table([each for each in found if begin < each.line < end])}"
        for (begin, title), end in zip(sections, ends, strict=True)
    ]
    intro = (
        f"# {described['name']}\n\n{described['description']}. The way through an installation is "
        f"`docs/install.md`; whole sets of values are in `ci/`. Kubernetes "
        f"{described['kubeVersion'].removesuffix('-0')}.\n\n"
        "This file is made of the comments in `values.yaml`: `make chart`."
    )
    return "\n\n".join([intro, *parts]) + "\n"


if __name__ == "__main__":
    place = CHART / "README.md"
    if "--check" not in sys.argv:
        place.write_text(readme(), encoding="utf-8")
    elif place.read_text(encoding="utf-8") != readme():
        sys.exit("helm/narkasa-gateway/README.md is not what its values say: make chart")
