"""The shape of the code: imports without cycles and in short chains, and classes that a reader can hold in mind."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import deid

PACKAGE = Path(deid.__file__).parent
#: Files in the longest chain of imports, those of annotations and of functions included. It may fall, and never rise.
LONGEST = 10
MOST_METHODS = 15


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Which modules each module imports, anywhere in it."""
    grimp = pytest.importorskip("grimp", reason="import-linter brings it along: pip install 'deid-face[dev]'")
    graph = grimp.build_graph("deid", cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_imports_have_no_cycle(imports: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"these modules import each other: {' -> '.join(error.args[1])}")


def test_chains_of_imports_are_short(imports: dict[str, set[str]]) -> None:
    chains: dict[str, list[str]] = {}
    for module in TopologicalSorter(imports).static_order():
        chains[module] = [module, *max((chains[i] for i in imports[module]), key=len, default=[])]
    longest = max(chains.values(), key=len)
    assert len(longest) <= LONGEST, " -> ".join(longest)


def _methods() -> dict[str, int]:
    """Number of methods of every class; of two with one name, the larger number."""
    found: dict[str, int] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                own = sum(isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) for member in node.body)
                found[node.name] = max(own, found.get(node.name, 0))
    return found


def test_classes_have_few_methods() -> None:
    large = {name: n for name, n in _methods().items() if n > MOST_METHODS}
    assert not large, f"more than {MOST_METHODS} methods: {large}; what needs no state of the class can be a function"


def test_only_the_public_door_lies_at_the_root() -> None:
    door = {"__init__.py", "__main__.py", "_version.py", "api.py", "py.typed", "transforms.py"}
    assert {path.name for path in PACKAGE.iterdir() if path.is_file()} == door
