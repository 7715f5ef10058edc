"""What holds for the repository as a whole, whoever changes it."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import files, packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gateway.settings import example

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
MODULES = sorted((ROOT / "gateway").rglob("*.py"))
LONGEST_MODULE = 400

# In pieces, so that this file does not name what it looks for.
REGISTRY_HOSTS = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry.npm" + "js.org",
    "deb.debian" + ".org",
)
MACHINE_PATH = re.compile(r"(?<![\w.~\-/}])/(?:home|Users|root|work)/\w")

# uvicorn finds its parser by its name, and of the other only files are read; pydantic_core is
# pydantic's other half.
LOADED_BY_NAME = frozenset({"fastapi-swagger", "httptools"})
SAME_DEPENDENCY = {"pydantic-core": "pydantic"}

BANNED_WORDS = frozenset({"manager", "helper", "util", "data", "info"})
# Words that the published contract, the field itself and asyncio's protocols use.
FIXED_TERMS = re.compile(r"DataSource|Market_?Data|^data_received$", re.IGNORECASE)


@cache
def committed() -> tuple[Path, ...]:
    git = shutil.which("git")
    assert git, "git is needed"
    listing = subprocess.run(
        [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True, timeout=30
    )
    return tuple(Path(name) for name in listing.stdout.split("\0") if name)


def texts() -> Iterator[tuple[Path, str]]:
    for path in committed():
        content = ROOT.joinpath(path)
        if content.is_file() and b"\0" not in content.read_bytes():
            yield path, content.read_text(encoding="utf-8")


def imported_modules() -> Iterator[str]:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.module, "no relative imports"
                yield node.module


def imported_distributions() -> set[str]:
    names = {
        canonicalize_name(provider)
        for module in imported_modules()
        if module.partition(".")[0] not in sys.stdlib_module_names | {"gateway"}
        for provider in providers(module)
    }
    return {SAME_DEPENDENCY.get(name, name) for name in names}


distributions = cache(packages_distributions)
"""It reads the files of everything that is installed."""


@cache
def providers(module: str) -> set[str]:
    """Whose module it is; several may share its first name."""
    sharing = set(distributions()[module.partition(".")[0]])
    if len(sharing) == 1:
        return sharing
    path = module.replace(".", "/")
    of_module = {f"{path}.py", f"{path}/__init__.py"}
    return {name for name in sharing if of_module & {str(file) for file in files(name) or ()}}


def declared_distributions(*lists: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for each in lists for text in each}


def banned_words(name: str) -> set[str]:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", FIXED_TERMS.sub("", name))
    return {word.lower().removesuffix("s") for word in words} & BANNED_WORDS


def test_the_contract_folder_never_shadows_the_graphql_package() -> None:
    assert not list((ROOT / "graphql").rglob("*.py"))


def test_no_committed_file_names_a_package_registry() -> None:
    named = [(path, host) for path, text in texts() for host in REGISTRY_HOSTS if host in text]
    assert named == []


def test_no_committed_file_names_a_path_of_one_machine() -> None:
    named = [(path, found[0]) for path, text in texts() if (found := MACHINE_PATH.search(text))]
    assert named == []


@pytest.mark.parametrize("folder", ["/home", "/root", "/Users"])
@pytest.mark.parametrize("before", ["cd ", "PATH=", '"', ""])
def test_a_path_of_one_machine_is_recognised(before: str, folder: str) -> None:
    assert MACHINE_PATH.search(f"{before}{folder}/ann")


@pytest.mark.parametrize("text", ["docs/home/now", "https://x.example/home/page", "~/home/x"])
def test_other_paths_are_no_paths_of_one_machine(text: str) -> None:
    assert not MACHINE_PATH.search(text)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_locked_package_is_pinned_with_hashes_and_no_index(lock: Path) -> None:
    text = re.sub(r"#.*", "", lock.read_text()).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
        assert "://" not in line


def test_one_package_has_one_version_in_all_locks() -> None:
    versions: dict[tuple[str, str], set[str]] = {}
    for lock in LOCKS:
        # With a marker it is the version for some interpreters: there may be another for the rest.
        pins = re.findall(r"^([\w.-]+)==(\S+) (; .*)?\\$", lock.read_text(), re.MULTILINE)
        for name, version, marker in pins:
            versions.setdefault((name, marker), set()).add(version)
    assert versions
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("dependency", PROJECT["dependencies"])
def test_every_dependency_is_locked_at_a_version_that_the_project_allows(dependency: str) -> None:
    wanted = Requirement(dependency)
    lock = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    [version] = re.findall(rf"^{re.escape(wanted.name)}==(\S+)", lock, re.MULTILINE)
    assert wanted.specifier.contains(version)


def test_every_import_is_a_dependency_that_the_project_declares() -> None:
    optional = PROJECT["optional-dependencies"]["dev-server"]
    assert imported_distributions() <= declared_distributions(PROJECT["dependencies"], optional)


def test_every_dependency_that_the_project_declares_is_imported() -> None:
    unused = declared_distributions(PROJECT["dependencies"]) - imported_distributions()
    assert unused == LOADED_BY_NAME


def test_no_lock_that_records_download_addresses_is_committed() -> None:
    assert Path("uv.lock") not in committed()


def test_no_file_of_settings_or_keys_is_committed() -> None:
    secret = [
        path for path in committed() if path.name == ".env" or path.suffix in {".key", ".pem"}
    ]
    assert secret == []


def test_the_example_environment_is_what_the_settings_say() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8").strip() == example().strip()


def test_the_chart_installs_the_version_of_the_package() -> None:
    chart = yaml.safe_load((ROOT / "helm" / "narkasa-gateway" / "Chart.yaml").read_text())
    assert chart["appVersion"] == PROJECT["version"]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_class_or_function_has_a_name_that_says_nothing(module: Path) -> None:
    named = [
        node.name
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [name for name in named if banned_words(name)] == []


@pytest.mark.parametrize("name", ["OrderManager", "helpers", "JSONUtil", "raw_data", "marketInfo"])
def test_a_name_that_says_nothing_is_recognised(name: str) -> None:
    assert banned_words(name)


@pytest.mark.parametrize("name", ["DataSource", "MarketData", "market_data", "information"])
def test_terms_of_the_contract_and_the_field_may_be_named(name: str) -> None:
    assert not banned_words(name)


def test_no_module_is_too_long_to_be_about_one_thing() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in MODULES
    }
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}
