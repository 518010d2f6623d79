"""The classifier's training: it learns, it goes on after a kill, and it leaves unknown labels out."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from deid.core.attributes import ATTRIBUTES
from deid.models.attributes import AttributeClassifier
from deid.training.classifier import ClassifierOptions, accuracy, augment, ema, fill_labels, predict, to_tensor, train
from deid.training.data import FaceData

MALE = ATTRIBUTES.index("Male")
TINY = ClassifierOptions(width=4, epochs=8, batch_size=4, learning_rate=5e-3)
#: 60 labelled faces in batches of 4.
STEPS = 15 * TINY.epochs


@dataclass
class _Steps:
    """Notes the steps, and ends the run like a kill after one of them."""

    stop: int | None = None
    seen: list[int] = field(default_factory=list)

    def __call__(self, step: int, steps: int, text: str) -> None:
        self.seen.append(step)
        assert steps == STEPS
        assert np.isfinite(float(text.split()[-1]))
        if step == self.stop:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def trained(faces: FaceData, tmp_path_factory: pytest.TempPathFactory) -> tuple[AttributeClassifier, Path, _Steps]:
    out, steps = tmp_path_factory.mktemp("classifier"), _Steps()
    return train(faces, out, TINY, steps), out, steps


def test_it_learns_what_there_is_to_learn(trained: tuple[AttributeClassifier, Path, _Steps], faces: FaceData) -> None:
    network, out, steps = trained
    assert steps.seen == list(range(1, STEPS + 1))
    assert not network.training
    scores = json.loads((out / "attributes.json").read_text())
    assert set(scores) == {*ATTRIBUTES, "mean"}
    assert scores["Male"] > 0.9
    assert accuracy(network, faces.split("validation"))["Male"] == pytest.approx(scores["Male"])


def test_it_goes_on_after_a_kill(faces: FaceData, tmp_path: Path) -> None:
    first, second = _Steps(stop=104), _Steps()
    with pytest.raises(KeyboardInterrupt):
        train(faces, tmp_path, TINY, first)
    assert not (tmp_path / "attributes.json").exists()
    train(faces, tmp_path, TINY, second)
    assert first.seen[-1] == 104
    assert second.seen == list(range(101, STEPS + 1))
    assert (tmp_path / "attributes.json").exists()


def test_a_finished_run_is_not_run_again(trained: tuple[AttributeClassifier, Path, _Steps], faces: FaceData) -> None:
    network, out, _ = trained
    steps = _Steps()
    again = train(faces, out, TINY, steps)
    assert steps.seen == []
    np.testing.assert_array_equal(predict(again, faces.crops[:3]), predict(network, faces.crops[:3]))


def test_unknown_labels_are_filled_and_known_ones_kept(trained: tuple[AttributeClassifier, Path, _Steps], faces: FaceData) -> None:
    network = trained[0]
    filled = fill_labels(network, faces)
    known = faces.labels >= 0
    np.testing.assert_array_equal(filled.labels[known], faces.labels[known])
    assert set(np.unique(filled.labels)) == {0, 1}
    seen = predict(network, faces.crops) > 0
    np.testing.assert_array_equal(filled.labels[~known], seen[~known])


def test_accuracy_counts_known_labels_only(faces: FaceData) -> None:
    class _Bright(torch.nn.Module):
        """Says yes to everything for bright crops."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(1, 2, 3))[:, None].repeat(1, 13)

    male_only = faces.where(np.arange(20))
    scores = accuracy(_Bright(), male_only)  # type: ignore[arg-type]
    assert set(scores) == {"Male", "mean"}
    assert scores["Male"] == 1.0


def test_augment_keeps_shape_and_range(faces: FaceData) -> None:
    images = to_tensor(faces.crops[:8])
    assert images.min() >= -1
    assert images.max() <= 1
    changed = augment(images, torch.Generator().manual_seed(0))
    assert changed.shape == images.shape
    assert changed.min() >= -1
    assert changed.max() <= 1
    assert not torch.equal(changed, images)
    assert torch.equal(changed, augment(images, torch.Generator().manual_seed(0)))


def test_ema_moves_weights_and_copies_counters() -> None:
    average, network = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    with torch.no_grad():
        network.weight.fill_(3.0)
    network.num_batches_tracked.fill_(9)  # type: ignore[operator]
    ema(average, network, 0.75)
    torch.testing.assert_close(average.weight.detach(), torch.full((2,), 1.5))
    assert average.num_batches_tracked == 9
