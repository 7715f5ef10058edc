"""Plain YAML with line numbers: mappings, lists and texts, and a fault for all that is not.

Works on PyYAML's node tree, for the values that it builds know no lines, and a key given twice
silently wins over the first.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import chain

import yaml

from gateway.access.faults import BadPolicy, Fault, FaultList, named

MAX_BYTES = 256 * 1024
_MAX_DEPTH = 16
_STRING = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"


def line_of(node: yaml.Node) -> int:
    """The line that a node starts on, counted from 1."""
    return int(node.start_mark.line) + 1


def compose(content: bytes) -> yaml.Node:
    """Read one YAML document; raise `BadPolicy` when it is none, or tries to be clever.

    Anchors, aliases and deep nesting are refused before the tree is built: a few lines of them
    unfold to gigabytes.
    """
    if len(content) > MAX_BYTES:
        raise BadPolicy((Fault(0, f"larger than {MAX_BYTES // 1024} KiB"),))
    text = _text(content)
    try:
        if faults := tuple(_clever(text)):
            raise BadPolicy(faults)
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        # What it quotes at length may be a token in the wrong place.
        problem = re.sub(r"'[^']{25,}'", "'…'", str(error.problem))
        raise BadPolicy((Fault(line, f"not valid YAML: {problem}"),)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadPolicy((Fault(line, f"not valid YAML: {error.reason}"),)) from None
    if node is None:
        raise BadPolicy((Fault(0, "empty"),))
    return node


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadPolicy((Fault(line, "not UTF-8"),)) from None


def _clever(text: str) -> Iterable[Fault]:
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if getattr(event, "anchor", None) is not None:
            yield Fault(line, "anchors and aliases are not allowed")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                yield Fault(line, "nested too deeply")
                return
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class YamlReader:
    """Takes nodes apart; notes what is wrong and goes on with what is right."""

    def __init__(self, faults: FaultList) -> None:
        self._faults = faults
        self._keys: dict[yaml.Node, str] = {}

    def fault(self, node: yaml.Node, problem: str) -> None:
        """Note what is wrong with a value, with its key: several may stand on one line.

        That of an item is the key of its list; that of a pair of `pairs`, of its mapping.
        """
        key = self._keys.get(node)
        self._faults.add(line_of(node), problem if key is None else f"'{key}': {problem}")

    def mapping(
        self, node: yaml.Node, *, required: Iterable[str], optional: Iterable[str] = ()
    ) -> Mapping[str, yaml.Node]:
        """The values of a mapping by key; a fault for each key unknown, twice, or missing."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, "expected a mapping, 'key: value'")
            return {}
        required, known = tuple(required), tuple(chain(required, optional))
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            self._enter(found, key, value, known)
        for name in required:
            if name not in found:
                self._faults.add(line_of(node), f"'{name}' is missing")
        return found

    def pairs(self, node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
        """The keys and values of a mapping whose keys are the writer's own; a fault for one twice.

        What the keys may be is for the caller to check.
        """
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, "expected a mapping, 'key: value'")
            return []
        self._inherit(node, chain.from_iterable(node.value))
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                self._faults.add(line_of(key), f"{named('the key', name)} is given twice")
            seen.add(name)
        return list(node.value)

    def items(self, node: yaml.Node | None) -> list[yaml.Node]:
        """The items of a list; none where there is none, or nothing after its key.

        So who deletes the last line of a list leaves an empty one, and not a file that is refused.
        """
        if node is None or node.tag == _NULL:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.fault(node, "expected a list")
            return []
        self._inherit(node, node.value)
        return list(node.value)

    def some_items(self, node: yaml.Node | None, name: str) -> list[yaml.Node]:
        """The items of a list that, where it is there at all, must not be empty."""
        items = self.items(node)
        listed = isinstance(node, yaml.SequenceNode) or (node is not None and node.tag == _NULL)
        if node is not None and listed and not items:
            self._faults.add(line_of(node), f"'{name}' is empty")
        return items

    def text(self, node: yaml.Node | None) -> str | None:
        """The text of a scalar; None, with a fault, for a number, a date or a list."""
        if node is None:
            return None
        if not isinstance(node, yaml.ScalarNode) or node.tag != _STRING:
            self.fault(node, "expected text; put it in quotes")
            return None
        return str(node.value)

    def _inherit(self, node: yaml.Node, parts: Iterable[yaml.Node]) -> None:
        if node in self._keys:
            self._keys.update(dict.fromkeys(parts, self._keys[node]))

    def _enter(
        self,
        found: dict[str, yaml.Node],
        key: yaml.Node,
        value: yaml.Node,
        known: tuple[str, ...],
    ) -> None:
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name not in known:
            problem = f"{named('unknown key', name)}; known are: {', '.join(known)}"
            self._faults.add(line_of(key), problem)
        elif name in found:
            self._faults.add(line_of(key), f"'{name}' is given twice")
        else:
            found[name] = value
            self._keys[value] = name
