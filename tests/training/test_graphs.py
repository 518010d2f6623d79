"""The shipped graphs are those of the networks as they are today."""

from pathlib import Path

import onnx
import pytest

from deid import weights
from deid.training.graphs import export_graphs, graph_of
from deid.weights.networks import SOURCES, graph_name


@pytest.mark.parametrize("name", SOURCES)
def test_shipped_graph_has_the_network_s_layers(name: str) -> None:
    """Not byte by byte: another torch may write it differently."""
    shipped = onnx.load_from_string(weights.read_bytes(weights.entry(graph_name(name))))
    made = onnx.load_from_string(graph_of(name))
    assert {t.name: list(t.dims) for t in shipped.graph.initializer} == {t.name: list(t.dims) for t in made.graph.initializer}
    kinds = [
        sorted(node.op_type for node in model.graph.node if node.op_type.startswith(("Conv", "Gemm", "Batch"))) for model in (shipped, made)
    ]
    assert kinds[0] == kinds[1]


def test_export_writes_every_graph_and_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = export_graphs(tmp_path)
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    assert {path.name for path in paths} == {f"{name}.onnx" for name in SOURCES}
    assert all(weights.status(weights.entry(graph_name(name))) == "ok" for name in SOURCES)
