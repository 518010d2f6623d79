#!/bin/sh
# A worker that is pinned to one core pays nearly twice the CPU time in onnxruntime's default threads.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.2.6
cd "$dir"
venv/bin/python - <<'PYTHON'
import os
import sys
import time

if (os.cpu_count() or 1) < 2:
    sys.exit("CANNOT TELL: this needs a machine with two cores or more")
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)


def network() -> bytes:
    """Eight convolutions over an aligned face of 112 px."""
    nodes, weights, last = [], [], "x"
    for i in range(8):
        weights.append(numpy_helper.from_array(rng.normal(0, 0.05, (32, 3 if i == 0 else 32, 3, 3)).astype(np.float32), f"w{i}"))
        nodes += [helper.make_node("Conv", [last, f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]), helper.make_node("Relu", [f"c{i}"], [f"r{i}"])]
        last = f"r{i}"
    shapes = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 112, 112]) for n, c in (("x", 3), (last, 32))]
    graph = helper.make_graph(nodes, "face", shapes[:1], shapes[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def cpu_time(model: bytes, threads: int | None) -> float:
    """CPU seconds of this process for 30 faces, the best of three."""
    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    face, best = rng.normal(size=(1, 3, 112, 112)).astype(np.float32), np.inf
    for _ in range(3):
        session.run(None, {"x": face})
        begun = time.process_time()
        for _ in range(30):
            session.run(None, {"x": face})
        best = min(best, time.process_time() - begun)
    return best


print("onnxruntime", onnxruntime.__version__, "cores", os.cpu_count(), "allowed", len(os.sched_getaffinity(0)))
model = network()
usual, one = cpu_time(model, None), cpu_time(model, 1)
print(f"CPU seconds for 30 faces on one core: default threads {usual:.2f}, intra_op_num_threads=1 {one:.2f}, ratio {usual / one:.2f}")
if usual < 1.25 * one:
    sys.exit("CHANGED: default threads mind the cores that are allowed, or no longer spin")
print("REPRODUCED: threads that wait for each other on one core burn its time; set intra_op_num_threads")
PYTHON
