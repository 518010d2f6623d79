"""What the package shows, and how lightly it is imported."""

import ast
import importlib
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import deid

PACKAGE = Path(deid.__file__).parent


def test_all_is_sorted_and_every_name_resolves() -> None:
    assert deid.__all__ == sorted(deid.__all__)
    assert len(set(deid.__all__)) == len(deid.__all__)
    for name in deid.__all__:
        assert getattr(deid, name) is not None
    assert dir(deid) == deid.__all__


def test_names_for_type_checkers_are_the_names_at_run_time() -> None:
    """The lazy names have three lists: they agree."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    imported = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for name, module in imported.items():
        assert getattr(deid, name) is getattr(importlib.import_module(str(module)), name)
    assert {*imported, "__version__"} == set(deid.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'anonymise'"):
        _ = deid.anonymise  # type: ignore[attr-defined]


def test_package_is_typed() -> None:
    assert files("deid").joinpath("py.typed").is_file()


def _modules() -> list[str]:
    names = [path.relative_to(PACKAGE.parent).with_suffix("").parts for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(p[:-1] if p[-1] == "__init__" else p) for p in names if "_weights" not in p and p[-1] != "__main__")


@pytest.mark.parametrize("name", _modules())
def test_module_imports_and_its_all_is_sorted(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__ or not Path(str(module.__file__)).read_text()
    exported = getattr(module, "__all__", [])
    assert exported == sorted(exported)
    assert all(hasattr(module, member) for member in exported)


SCRIPT = """
import json, sys, time
start = time.perf_counter()
import deid
taken = time.perf_counter() - start
print(json.dumps({"seconds": taken, "modules": sorted(sys.modules)}))
"""


def _import_deid() -> dict[str, object]:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


def test_import_takes_no_time() -> None:
    """The best of a few: the machine may be busy."""
    assert min(float(str(_import_deid()["seconds"])) for _ in range(5)) < 0.3


def test_import_loads_none_of_the_heavy_packages() -> None:
    modules = _import_deid()["modules"]
    assert isinstance(modules, list)
    assert not {"torch", "numpy", "PIL", "cv2", "dlib", "facenet_pytorch", "typer"} & set(modules)


def test_command_shows_its_help_without_torch() -> None:
    script = "import sys; import deid.__main__; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "False"
