"""From a trained network to a file that the package loads."""

import tomllib
from pathlib import Path

import pytest
import torch

from deid import weights
from deid.core.errors import ConfigError, WeightsFormatError
from deid.models.attgan import Generator
from deid.models.attributes import AttributeClassifier
from deid.training.attgan import GeneratorOptions
from deid.training.classifier import ClassifierOptions
from deid.training.export import export
from deid.training.settings import command_of, read_options
from deid.weights import modules

FACTS = {"input": "crops", "data": 'LFW "deep-funneled"', "licence": "research", "command": "deid train # x\\y"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(weights, "folder", lambda: tmp_path / "weights")
    return tmp_path / "weights"


def test_exported_network_loads_and_computes_the_same(folder: Path) -> None:
    torch.manual_seed(0)
    network = Generator(4)
    # Batch norm's statistics and counters must travel, too.
    network.train()(torch.rand(4, 3, 128, 128), torch.rand(4, 13))
    network.eval()
    export(network, "attgan", folder, {"width": 4, "n_attributes": 13}, FACTS)
    loaded = modules.load_generator()
    images, a = torch.rand(2, 3, 128, 128) * 2 - 1, torch.rand(2, 13)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images, a), network(images, a), atol=0.01, rtol=0.02)
    assert (folder / "attgan.safetensors").stat().st_size < 2.3 * sum(p.numel() for p in network.parameters())


def test_manifest_keeps_its_other_entries(folder: Path) -> None:
    export(AttributeClassifier(4), "attributes", folder, {"width": 4}, FACTS)
    export(Generator(4), "attgan", folder, {"width": 4}, FACTS)
    first = weights.entry("attgan").sha256
    export(Generator(4), "attgan", folder, {"width": 4}, FACTS)
    assert set(weights.manifest()) == {"attgan", "attributes"}
    assert weights.entry("attgan").sha256 != first
    assert weights.entry("attributes").facts == FACTS
    assert {weights.status(item) for item in weights.manifest().values()} == {"ok"}
    assert tomllib.loads((folder / "manifest.toml").read_text())["attgan"]["architecture"] == {"width": 4}


def test_manifest_of_another_width_is_refused(folder: Path) -> None:
    export(Generator(4), "attgan", folder, {"width": 8, "n_attributes": 13}, FACTS)
    with pytest.raises(WeightsFormatError, match="another architecture"):
        modules.load_generator()


def test_options_of_a_run_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("width = 8\nmargin = 0.25\n")
    options = read_options(GeneratorOptions, path)
    assert (options.width, options.margin, options.steps) == (8, 0.25, GeneratorOptions().steps)
    assert read_options(GeneratorOptions, None) == GeneratorOptions()


BAD_OPTIONS = {
    "unknown": (b"widht = 8", "unknown option widht.*valid are width"),
    "no toml": (b"width =", "cannot read options"),
    "missing": (None, "cannot read options"),
    "binary": (b"\xff\xfe", "cannot read options"),
}


@pytest.mark.parametrize(("content", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_bad_options_of_a_run_are_told(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_options(ClassifierOptions, path)


def test_command_names_what_differs_from_the_defaults() -> None:
    assert command_of("attributes", ClassifierOptions()) == "deid train attributes --data DIR --out OUT"
    assert command_of("attributes", ClassifierOptions(width=8)).endswith(", width = 8")
