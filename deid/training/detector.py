"""Training of the face detector on mosaics of photos that teacher detectors have labelled."""

import copy
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deid.core.errors import ConfigError
from deid.models.face_rcnn import FaceRcnn
from deid.training import checkpoint
from deid.training.boxes import LabelledPhoto
from deid.training.classifier import ema
from deid.training.mosaics import mosaic

log = logging.getLogger(__name__)
#: Sides of the pictures, as shares of the option; smaller ones are padded as odd-sized photos are.
_LEAST_SIDE = 0.9
#: Steps over which the learning rate rises.
_WARM_UP = 200


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """Settings of a run.

    Args:
        channels, head: widths of the network, see `FaceRcnn`.
        steps: how many.
        batch_size: pictures a step.
        side: of a picture, in pixels.
        learning_rate: of AdamW, see `learning_rate`.
        seed: of weights, pictures and sampled anchors.
        device: where it runs.
    """

    channels: int = 96
    head: int = 256
    steps: int = 4500
    batch_size: int = 16
    side: int = 256
    learning_rate: float = 1.5e-3
    seed: int = 0
    device: str = "cpu"


def learning_rate(step: int, options: DetectorOptions) -> float:
    """Up over the first steps, flat, and down to zero over the last 30 %: a run can be made longer while it is flat."""
    down = (options.steps - step) / (0.3 * options.steps)
    return options.learning_rate * min((step + 1) / _WARM_UP, 1.0, down)


def _copy_weights(source: FaceRcnn, target: FaceRcnn) -> None:
    try:
        target.load_state_dict(source.state_dict())
    except RuntimeError as error:
        raise ConfigError(f"expected channels and head of the network that the run starts from: {error}") from error


class DetectorTraining:
    """The state of a run and its steps.

    Args:
        photos: with their faces.
        out: folder for the checkpoint and the curve; a run there is continued.
        options: settings.
        start: a trained network to begin a new run from.

    Raises:
        ConfigError: it has other widths than the options say.
    """

    def __init__(self, photos: Sequence[LabelledPhoto], out: Path, options: DetectorOptions, start: FaceRcnn | None = None) -> None:
        self.photos, self.out, self.options = photos, out, options
        torch.manual_seed(options.seed)
        network = FaceRcnn(options.channels, options.head)
        if start is not None:
            _copy_weights(start, network)
        self.network = network.to(options.device).to(memory_format=torch.channels_last).train()
        self.average: FaceRcnn = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), options.learning_rate, weight_decay=1e-3)
        self.step = 0
        self.curve: list[dict[str, float]] = []
        self._resume()

    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "average": self.average, "optimiser": self.optimiser}

    def _resume(self) -> None:
        state = checkpoint.load(self.out / "detector.pt")
        if state is None:
            return
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.curve = state["step"], state["curve"]
        log.info("going on from step %d", self.step)

    def save(self) -> None:
        """Write the checkpoint and the curve."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        checkpoint.save(self.out / "detector.pt", state | {"step": self.step, "curve": self.curve})
        (self.out / "detector.json").write_text(json.dumps(self.curve))

    def run(self, progress: Callable[[int, int, str], None] | None = None, save_every: int = 200) -> FaceRcnn:
        """Train to the last step; returns the average of the weights (EMA), in evaluation mode."""
        self.out.mkdir(parents=True, exist_ok=True)
        while self.step < self.options.steps:
            values = self._train_step()
            self.step += 1
            if self.step % 20 == 0:
                self.curve.append({"step": self.step} | values)
            if progress:
                progress(self.step, self.options.steps, " ".join(f"{k} {v:.3f}" for k, v in values.items()))
            if self.step % save_every == 0 or self.step == self.options.steps:
                self.save()
        return self.average

    def _train_step(self) -> dict[str, float]:
        # Drawn from the step alone: a run that goes on is the run that was never broken off.
        rng = np.random.default_rng((self.options.seed, self.step))
        torch.manual_seed(int(rng.integers(2**62)))
        losses = self.network(*self._batch(rng))
        loss = torch.stack(list(losses.values())).sum()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.options)
        self.optimiser.step()
        ema(self.average, self.network, min(0.998, (self.step + 1) / (self.step + 10)))
        return {name.removeprefix("loss_"): float(value.detach()) for name, value in losses.items()}

    def _batch(self, rng: np.random.Generator) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        images, targets = [], []
        for _ in range(self.options.batch_size):
            h, w = rng.integers(round(_LEAST_SIDE * self.options.side), self.options.side + 1, 2)
            image, boxes = mosaic(self.photos, (int(h), int(w)), rng)
            images.append(torch.from_numpy(image).permute(2, 0, 1).float().div_(255).to(self.options.device))
            found = torch.from_numpy(boxes).float().to(self.options.device)
            targets.append({"boxes": found, "labels": torch.ones(len(found), dtype=torch.int64, device=found.device)})
        return images, targets
