"""Training of the generator: first single attributes, then the difference of two passes that moves a stand-in away from itself.

Stage one learns single attributes from pictures of them (`deid.training.prototypes`) in place of AttGAN's attribute classifier. A
generator satisfies that classifier with dots that only classifiers see. Stage two also runs both passes as the product does. With an empty
set they must return the face; what another set adds to that is the difference that the product pastes. The face with the difference must
show the set's attributes and its own gender, and be another person to recognisers. It must pass for a photo to a discriminator
(relativistic least squares in place of WGAN-GP). The difference must have little detail, because it is enlarged.
"""

import copy
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor, nn

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import ConfigError
from deid.models.attgan import Generator, inverted
from deid.training import checkpoint, losses
from deid.training.classifier import ema
from deid.training.curves import plot
from deid.training.data import FaceData
from deid.training.lessons import Lessons
from deid.training.opponents import BETAS, Adversary, Recognisers
from deid.training.precision import autocast
from deid.training.recognisers import CropRecogniser

log = logging.getLogger(__name__)
#: How much more than the whole picture the pixels count that an edit changes. A moustache is two in a hundred.
_FOCUS = 3.0
#: Steps in which Adam's first moments come to mean something: without, the first steps undo much of what a generator knows.
_WARM_UP = 100


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """Settings of a run.

    Args:
        width: channels of the first convolution of generator and discriminator.
        ranks, shortcuts: of the generator, see `Generator`.
        steps: of both stages together.
        passes_from: step at which stage two begins.
        ramp: steps over which the weights of discriminator and recognisers grow to the full ones.
        batch_size: faces a step.
        edit_learning_rate: of stage one.
        learning_rate: of stage two; twice as much for the discriminator. Both fall to a tenth by the end of their stage.
        likeness: weight of the likeness of a single edit to its picture.
        kept: weight of the likeness of two passes with an empty set to the face.
        shown: weight of the likeness of the face with a difference to the picture of what its set asks for.
        smooth: weight of a difference's detail.
        move: weight of the cosine between the face with and without a difference, by one recogniser or the other.
        adversarial: weight of the discriminator.
        margin: cosine, seen from the average person, under which a face counts as moved.
        shares: how many of the faces come from each source: next to CelebA's blurred crops, blur counts as real.
        seed: of weights, order and drawn attributes.
        device: where it runs.
    """

    width: int = 32
    ranks: Sequence[int] = (256, 320, 128, 64)
    shortcuts: int = 4
    steps: int = 9000
    passes_from: int = 2600
    ramp: int = 200
    batch_size: int = 16
    edit_learning_rate: float = 8e-4
    learning_rate: float = 1.5e-4
    likeness: float = 30.0
    kept: float = 60.0
    shown: float = 20.0
    smooth: float = 40.0
    move: float = 3.0
    adversarial: float = 0.2
    margin: float = 0.2
    shares: Mapping[str, float] = field(default_factory=lambda: {"portraits": 0.5, "lfw": 0.4, "celeba": 0.1})
    seed: int = 0
    device: str = "cpu"


class GeneratorTraining:
    """The state of a run and its steps.

    Args:
        data: faces with labels for all attributes (0 or 1).
        out: folder for the checkpoint, the curves and the sample grids; a run there is continued.
        options: settings.
        recognisers: recognisers of the identity loss in stage two.
        start: a generator to begin with; it may have fewer shortcuts.

    Raises:
        ConfigError: the generator to begin with has another width, other ranks or more shortcuts.
    """

    def __init__(
        self, data: FaceData, out: Path, options: GeneratorOptions, recognisers: list[CropRecogniser], start: Generator | None = None
    ) -> None:
        self.out, self.options = out, options
        torch.manual_seed(options.seed)
        rng, device = np.random.default_rng(options.seed), options.device
        self.lessons = Lessons(data, options.shares, rng, device)
        self.recognisers = Recognisers(recognisers, data, rng, device)
        self.generator = _beginning(options, start).to(device).to(memory_format=torch.channels_last)
        self.average: Generator = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.adversary = Adversary(options.width, device)
        # The pace sets the learning rate.
        self.g_optimiser = torch.optim.Adam(self.generator.parameters(), betas=BETAS)
        self.step = 0
        self.curves: list[dict[str, float]] = []
        self._resume()

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "average": self.average,
            "discriminator": self.adversary.network,
            "g_optimiser": self.g_optimiser,
            "d_optimiser": self.adversary.optimiser,
        }

    def _resume(self) -> None:
        state = checkpoint.load(self.out / "attgan.pt")
        if state is None:
            return
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.curves = state["step"], state["curves"]
        self.lessons.rng = np.random.default_rng((self.options.seed, self.step))
        log.info("going on from step %d", self.step)

    def save(self) -> None:
        """Write the checkpoint and the curves."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        checkpoint.save(self.out / "attgan.pt", state | {"step": self.step, "curves": self.curves})
        (self.out / "curves.json").write_text(json.dumps(self.curves))
        plot(self.curves, self.out / "curves.png")

    def run(self, progress: Callable[[int, int, str], None] | None = None, save_every: int = 200) -> Generator:
        """Train to the last step; returns the average of the weights (EMA), in evaluation mode."""
        self.out.mkdir(parents=True, exist_ok=True)
        while self.step < self.options.steps:
            self._pace()
            step = self._passes_step if self.step >= self.options.passes_from else self._edit_step
            values = step(*self.lessons.batch(self.options.batch_size))
            self.step += 1
            if self.step % 20 == 0:
                self.curves.append({"step": self.step} | values)
            if progress:
                progress(self.step, self.options.steps, " ".join(f"{k} {v:.3f}" for k, v in values.items()))
            if self.step % save_every == 0 or self.step == self.options.steps:
                self.save()
                self.sample_grid(self.out / f"samples-{self.step:06d}.png")
        return self.average

    def _pace(self) -> None:
        """Let the learning rates rise at the beginning of each stage, and fall, along a cosine, to a tenth by its end."""
        options = self.options
        begin, end, rate = 0, min(options.passes_from, options.steps), options.edit_learning_rate
        if self.step >= options.passes_from:
            begin, end, rate = options.passes_from, options.steps, options.learning_rate
        left = (1 + math.cos(math.pi * (self.step - begin) / max(1, end - begin))) / 2
        rate *= (0.1 + 0.9 * left) * min(1.0, (self.step - begin + 1) / _WARM_UP)
        for optimiser, times in ((self.g_optimiser, 1.0), (self.adversary.optimiser, 2.0)):
            for group in optimiser.param_groups:
                group["lr"] = times * rate

    def _edit_step(self, faces: NDArray[np.intp], images: Tensor, labels: Tensor) -> dict[str, float]:
        """One step of stage one: single attributes."""
        self.generator.train()
        alone = self._alone(faces, images)
        self._generator_step(self.options.likeness * alone)
        return {"alone": alone.item()}

    def _passes_step(self, faces: NDArray[np.intp], images: Tensor, labels: Tensor) -> dict[str, float]:
        """One step of stage two: both passes on half of the batch, single attributes on the rest."""
        options, n = self.options, len(images) // 2
        source = images[:n]
        sets, goal = self.lessons.lesson(faces[:n])
        # Batch norm as at inference: the product edits single faces.
        self.generator.eval()
        same, edited = self._two_passes(source, torch.zeros_like(sets)), self._two_passes(source, sets)
        # With the empty set's part held back from the gradient, what both passes have in common was moved.
        difference = edited - same
        new = source + difference
        d_loss = self.adversary.step(images, new.detach())
        values = {
            "alone": self._alone(faces[n:], images[n:]),
            "kept": losses.likeness(same, source),
            "shown": losses.likeness(new, goal),
            "smooth": losses.detail(difference),
            "move": self.recognisers.moved(source, new, self.lessons.rng, options.margin),
            "g": self.adversary.loss(images, new),
        }
        ramp = min(1.0, (self.step - options.passes_from + 1) / options.ramp)
        weights = (options.likeness, options.kept, options.shown, options.smooth, ramp * options.move, ramp * options.adversarial)
        self._generator_step(sum((w * v for w, v in zip(weights, values.values(), strict=True)), torch.zeros(())))
        return {"d": d_loss} | {name: value.item() for name, value in values.items()}

    def _two_passes(self, images: Tensor, sets: Tensor) -> Tensor:
        with autocast(self.options.device):
            second: Tensor = self.generator(self.generator(images, sets), inverted(sets))
        return second.float()

    def _alone(self, faces: NDArray[np.intp], images: Tensor) -> Tensor:
        """How unlike their pictures single edits of faces (N,) are, the more where there is something to change."""
        changed, painted = self.lessons.single_edits(faces)
        with autocast(self.options.device):
            edited = self.generator(images, changed)
        # As much in all for every face, whatever the size of what changes; where nothing does, alike for every pixel.
        change = (painted - images).abs() + 1e-3
        return losses.likeness(edited.float(), painted, 1 + _FOCUS * change / change.mean(dim=(1, 2, 3), keepdim=True))

    def _generator_step(self, loss: Tensor) -> None:
        self.g_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.generator.parameters(), 10.0)
        self.g_optimiser.step()
        ema(self.average, self.generator, min(0.998, (self.step + 1) / (self.step + 10)))

    @torch.inference_mode()
    def sample_grid(self, path: Path, n: int = 10) -> None:
        """A picture of the same few faces: as they are, after two passes with an empty set, and with four differences."""
        lessons = self.lessons
        pick = np.random.default_rng(0).choice(len(lessons.data), n, replace=False, p=lessons.chances)
        images = lessons.to_images(lessons.data.crops[pick])
        rows = [images, same := self._average_passes(images, torch.zeros(n, len(ATTRIBUTES), device=images.device))]
        rows += [images + self._average_passes(images, lessons.lesson(pick)[0]) - same for _ in range(4)]
        grid = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
        pixels = ((grid.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
        PillowImage.fromarray(pixels).save(path)

    def _average_passes(self, images: Tensor, sets: Tensor) -> Tensor:
        second: Tensor = self.average(self.average(images, sets), inverted(sets))
        return second


def _beginning(options: GeneratorOptions, start: Generator | None) -> Generator:
    """A new generator, or a copy of one, with shortcuts that it does not heed where it has fewer."""
    out = Generator(options.width, ranks=options.ranks, shortcuts=options.shortcuts)
    if start is None:
        return out
    if (start.width, start.ranks) != (out.width, out.ranks) or start.shortcuts > out.shortcuts:
        wanted, got = (f"width {g.width}, ranks {list(g.ranks)} and {g.shortcuts} shortcuts" for g in (out, start))
        raise ConfigError(f"expected a generator of at most {wanted} to start with, got {got}")
    own = out.state_dict()
    for name, value in start.state_dict().items():
        # The inputs from further shortcuts are the last ones of a layer.
        own[name].zero_()[tuple(slice(n) for n in value.shape)] = value
    return out
