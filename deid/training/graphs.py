"""Graphs of the networks without their tensors, for onnxruntime."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from deid.training.export import write_file
from deid.weights.networks import SOURCES, arrays_of, graph_name, module_of

_OPSET = 17


def _pixels(side: int, kind: torch.dtype) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.zeros(2, side, side, 3, dtype=kind),)


#: What each network is traced with, and which axes of its inputs may have any length.
_EXAMPLES: dict[str, tuple[Callable[[], tuple[Tensor, ...]], tuple[int, ...]]] = {
    "attgan": (lambda: (torch.zeros(2, 128, 128, 3), torch.zeros(4, 13)), (0,)),
    "attributes": (_pixels(128, torch.uint8), (0,)),
    "centerface": (_pixels(64, torch.uint8), (0, 1, 2)),
    "dlib_resnet": (_pixels(150, torch.uint8), (0,)),
    "glasses": (lambda: (torch.zeros(2, 144, 256, 3, dtype=torch.uint8),), (0,)),
    "mobilenet": (_pixels(160, torch.uint8), (0,)),
    "objects": (_pixels(128, torch.uint8), (0,)),
    "onet": (_pixels(48, torch.float32), (0,)),
    "pnet": (_pixels(40, torch.float32), (0, 1, 2)),
    "realism": (_pixels(128, torch.uint8), (0,)),
    "rnet": (_pixels(24, torch.float32), (0,)),
}


def export_graphs(folder: Path) -> list[Path]:
    """Write the graph of every network of `deid.weights.networks` and its entry in the folder's manifest."""
    paths = []
    for name in sorted(SOURCES):
        facts = {
            "input": "the network's pixels, see `deid.weights.networks`",
            "data": "no tensors: they come from the weights",
            "licence": "MIT",
            "command": "deid weights export",
        }
        paths.append(write_file(graph_of(name), f"{name}.onnx", graph_name(name), folder, {}, facts))
    return paths


def graph_of(name: str) -> bytes:
    """An ONNX model of a network whose tensors are stored elsewhere, under the names of the weights' file."""
    make, free = _EXAMPLES[name]
    examples = make()
    model = _traced(module_of(name).eval(), examples, free)
    arrays = arrays_of(name)
    values = dict(module_of(name).named_buffers())
    given = {f"input{i}" for i in range(len(examples))}
    for value in [v for v in model.graph.input if v.name not in given]:
        model.graph.input.remove(value)
        own = value.name.removeprefix("network.")
        _rename(model, value.name, own)
        if own in arrays:
            shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            model.graph.initializer.append(_elsewhere(own, shape))
        else:
            # A constant of the module itself.
            model.graph.initializer.append(onnx.numpy_helper.from_array(values[value.name].numpy(), own))
    left = set(arrays) - {tensor.name for tensor in model.graph.initializer}
    if left:
        raise ValueError(f"expected every tensor of {name} in its graph, missing are {sorted(left)}")
    return bytes(model.SerializeToString())


def _traced(module: nn.Module, examples: tuple[Tensor, ...], free: tuple[int, ...]) -> onnx.ModelProto:
    names = [f"input{i}" for i in range(len(examples))]
    axes = {name: {axis: f"{name}_{axis}" for axis in (free if i == 0 else (0,))} for i, name in enumerate(names)}
    file: Any = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that keeps a module's own names for its tensors is the older one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            examples,
            file,
            export_params=False,
            do_constant_folding=False,
            input_names=names,
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(file.getvalue())
    for node in model.graph.node:
        node.ClearField("doc_string")
    return model


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new


def _elsewhere(name: str, shape: list[int]) -> onnx.TensorProto:
    """A tensor whose numbers are not in the file."""
    tensor = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=shape, data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="given")
    return tensor
