"""Trains the generator: first to edit attributes, then to lead away from the person.

Stage one is AttGAN with relativistic least squares in place of WGAN-GP. Stage two runs both passes as the product does and adds
what the product wants: recognisers no longer match, MTCNN still finds the face with its landmarks in place, gender
comes back, and what lies outside the face stays.
"""

import copy
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor, nn
from torch.nn import functional

from deid.attributes.sampler import sample_sets
from deid.edit.attgan import coarsen
from deid.models.attgan import ATTRIBUTES, Discriminator, Generator
from deid.models.attributes import AttributeClassifier
from deid.training import checkpoint, losses
from deid.training.classifier import ema, to_tensor
from deid.training.data import FaceData
from deid.training.recognisers import CropRecogniser

log = logging.getLogger(__name__)
_MALE = ATTRIBUTES.index("Male")
#: Batches of earlier edits that the discriminator sees again, every fourth one kept.
_HISTORY = 30
#: Attributes of stage one's targets that are drawn anew with this chance, so that rare combinations are seen.
_REDRAWN = 0.15


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """Settings of a run.

    Args:
        width: channels of the first convolution of generator and discriminator.
        steps: of both stages together.
        private_from: step at which stage two begins.
        private_ramp: steps over which its identity weight grows to the full one.
        batch_size: faces a step.
        learning_rate: of both Adams.
        reconstruction, attributes, adversarial: weights of stage one; 100, 10, 1 in the paper with WGAN-GP.
        identity, content, landmarks, surround, tone: weights of stage two. Without content, which pulls every edit back to its
            source as far as identity lets it, all faces drift to one.
        margins: cosine under which a recogniser counts as led away, one per recogniser.
        history_steps: discriminator steps on earlier edits that follow the one on the newest.
        pixelated: share of the inputs that are pixelated (14 to 32 cells across), for the ladder's third rung.
        lfw_share: share of the faces that come from LFW: next to CelebA's blurred crops, blur counts as real.
        seed: of weights, order and drawn attributes.
        device: where it runs.
    """

    width: int = 32
    steps: int = 6000
    private_from: int = 2600
    private_ramp: int = 600
    batch_size: int = 16
    learning_rate: float = 1.5e-4
    reconstruction: float = 30.0
    attributes: float = 3.0
    adversarial: float = 0.5
    identity: float = 6.0
    content: float = 40.0
    landmarks: float = 30.0
    surround: float = 20.0
    tone: float = 10.0
    margins: tuple[float, ...] = (0.88, 0.25)
    history_steps: int = 2
    pixelated: float = 0.25
    lfw_share: float = 0.9
    seed: int = 0
    device: str = "cpu"


class GeneratorTraining:
    """The state of a run and its steps.

    Args:
        data: faces with labels for all attributes (0 or 1).
        out: folder for the checkpoint, the curves and the sample grids; a run there goes on.
        options: settings.
        judge: reads attributes, frozen; it guides edits beside the discriminator, which must first learn to read them.
        recognisers: what stage two leads away from.
        landmarker: MTCNN's O-Net, for stage two.
    """

    def __init__(
        self,
        data: FaceData,
        out: Path,
        options: GeneratorOptions,
        judge: AttributeClassifier,
        recognisers: list[CropRecogniser],
        landmarker: losses.Landmarker,
    ) -> None:
        self.data, self.out, self.options = data, out, options
        self.judge = judge.to(options.device).eval().requires_grad_(False)
        self.recognisers = [r.to(options.device) for r in recognisers]
        self.landmarker = landmarker.to(options.device)
        torch.manual_seed(options.seed)
        self.rng = np.random.default_rng(options.seed)
        layout, device = torch.channels_last, options.device
        self.generator = Generator(options.width).to(device).to(memory_format=layout)
        self.average: Generator = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.discriminator = Discriminator(options.width).to(device).to(memory_format=layout)
        betas = (0.5, 0.99)
        self.g_optimiser = torch.optim.Adam(self.generator.parameters(), options.learning_rate, betas)
        self.d_optimiser = torch.optim.Adam(self.discriminator.parameters(), 2 * options.learning_rate, betas)
        self.step = 0
        self.curves: list[dict[str, float]] = []
        self._resume()
        lfw = np.flatnonzero(data.sources == "lfw")
        rest = np.flatnonzero(data.sources != "lfw")
        self._pools = [pool for pool in (lfw, rest) if len(pool)]
        self._shares = [options.lfw_share, 1 - options.lfw_share] if len(self._pools) == 2 else [1.0]
        self._history: list[Tensor] = []
        self._surround = _surround_mask().to(options.device)

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "average": self.average,
            "discriminator": self.discriminator,
            "g_optimiser": self.g_optimiser,
            "d_optimiser": self.d_optimiser,
        }

    def _resume(self) -> None:
        state = checkpoint.load(self.out / "attgan.pt")
        if state is None:
            return
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.curves = state["step"], state["curves"]
        self.rng = np.random.default_rng((self.options.seed, self.step))
        log.info("going on from step %d", self.step)

    def save(self) -> None:
        """Write the checkpoint and the curves."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        checkpoint.save(self.out / "attgan.pt", state | {"step": self.step, "curves": self.curves})
        (self.out / "curves.json").write_text(json.dumps(self.curves))

    def run(self, progress: Callable[[int, int, str], None] | None = None, save_every: int = 200) -> Generator:
        """Train to the last step; returns the average of the weights (EMA), in evaluation mode."""
        self.out.mkdir(parents=True, exist_ok=True)
        while self.step < self.options.steps:
            images, labels = self._batch()
            private = self.step >= self.options.private_from
            values = self._private_step(images, labels) if private else self._edit_step(images, labels)
            self.step += 1
            if self.step % 20 == 0:
                self.curves.append({"step": self.step} | {k: float(v) for k, v in values.items()})
            if progress:
                progress(self.step, self.options.steps, " ".join(f"{k} {v:.3f}" for k, v in values.items()))
            if self.step % save_every == 0 or self.step == self.options.steps:
                self.save()
                self.sample_grid(self.out / f"samples-{self.step:06d}.png")
        return self.average

    def _batch(self) -> tuple[Tensor, Tensor]:
        """Images (N, 3, 128, 128) in [-1, 1], half of them mirrored, and labels (N, 13) of -1 and 1."""
        pool = self.rng.choice(len(self._pools), self.options.batch_size, p=self._shares)
        pick = np.array([self.rng.choice(self._pools[p]) for p in pool])
        images = to_tensor(self.data.crops[pick])
        mirrored = torch.from_numpy(self.rng.random(len(pick)) < 0.5)
        images[mirrored] = images[mirrored].flip(3)
        labels = torch.from_numpy(self.data.labels[pick].astype(np.float32)) * 2 - 1
        return images.to(self.options.device).contiguous(memory_format=torch.channels_last), labels.to(self.options.device)

    def _strength(self, n: int) -> Tensor:
        return torch.from_numpy(self.rng.uniform(0.5, 1.1, (n, 1)).astype(np.float32)).to(self.options.device)

    def _targets(self, labels: Tensor) -> Tensor:
        """Another face's labels, some of them drawn anew, but never a woman's beard or a moustache by that."""
        targets = labels[torch.from_numpy(self.rng.permutation(len(labels)))].clone()
        redraw = self.rng.random(targets.shape) < _REDRAWN
        redraw[:, [_MALE, ATTRIBUTES.index("Mustache"), ATTRIBUTES.index("No_Beard"), ATTRIBUTES.index("Bald")]] = False
        return torch.where(torch.from_numpy(redraw).to(targets.device), -targets, targets)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.options.device.split(":")[0], torch.bfloat16)

    def _pixelate_some(self, images: Tensor) -> Tensor:
        out = images.clone()
        for i in np.flatnonzero(self.rng.random(len(images)) < self.options.pixelated):
            out[i : i + 1] = coarsen(images[i : i + 1], int(self.rng.integers(14, 33)))
        return out

    def _edit_step(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """One step of stage one: reconstruct under the own labels, edit to others."""
        options = self.options
        targets = self._targets(labels)
        self.generator.train()
        with self._autocast():
            codes = self.generator.encode(self._pixelate_some(images))
            same = self.generator.decode(codes, labels * self._strength(len(images)))
            edited = self.generator.decode(codes, targets * self._strength(len(images)))
        d_loss = self._discriminator_steps(images, torch.cat([edited, same]), labels)
        with self._autocast():
            fake = self.discriminator(torch.cat([edited, same]))
        reconstruction = (same.float() - images).abs().mean()
        attribute = self._attribute_loss(torch.cat([edited, same]), fake[2], torch.cat([targets, labels]))
        adversarial = self._adversarial(images, fake)
        loss = options.reconstruction * reconstruction + options.attributes * attribute + options.adversarial * adversarial
        self._generator_step(loss)
        return {
            "d": d_loss,
            "g": adversarial.item(),
            "att": attribute.item(),
            "rec": reconstruction.item(),
        }

    def _private_step(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """One step of stage two: both passes as in the product, on half of the batch, and a reconstruction of the rest."""
        options = self.options
        n = len(images) // 2
        source, sets = images[:n], self._random_sets(labels[:n])
        # Batch norm as at inference: the product edits single faces.
        self.generator.eval()
        with self._autocast():
            first = self.generator(self._pixelate_some(source), sets)
            edited = self.generator(first, -sets)
            same = self.generator(images[n:], labels[n:] * self._strength(len(images) - n))
        d_loss = self._discriminator_steps(images, torch.cat([edited, first]), labels)
        with self._autocast():
            fake = self.discriminator(torch.cat([edited, first]))
        targets = torch.cat([-sets, sets])
        attribute = self._attribute_loss(torch.cat([edited, first]), fake[2], targets)
        adversarial = self._adversarial(images, fake)
        reconstruction = (same.float() - images[n:]).abs().mean()
        identity = sum(
            (self._identity(r, m, source, edited) for r, m in zip(self.recognisers, options.margins, strict=True)), torch.zeros(())
        )
        with torch.no_grad():
            points, _ = self.landmarker(source)
        new_points, found = self.landmarker(edited)
        landmark = (new_points - points).abs().mean() + 0.1 * functional.relu(0.99 - found).mean()
        difference = edited.float() - source
        surround = (difference.abs() * self._surround).mean()
        tone = functional.adaptive_avg_pool2d(difference, 8).abs().mean()
        ramp = min(1.0, (self.step - options.private_from + 1) / options.private_ramp)
        loss = (
            options.reconstruction / 2 * reconstruction
            + options.attributes * attribute
            + options.adversarial * adversarial
            + options.identity * ramp * identity
            + options.content * difference.abs().mean()
            + options.landmarks * landmark
            + options.surround * surround
            + options.tone * tone
        )
        self._generator_step(loss)
        values = {"d": d_loss, "g": adversarial.item(), "att": attribute.item(), "rec": reconstruction.item()}
        return values | {"id": identity.item(), "lm": landmark.item(), "sur": surround.item(), "tone": tone.item()}

    def _identity(self, recogniser: CropRecogniser, margin: float, source: Tensor, edited: Tensor) -> Tensor:
        with torch.no_grad():
            before = recogniser(source)
        return losses.repel(before, recogniser(edited), margin)

    def _random_sets(self, labels: Tensor) -> Tensor:
        sets = [sample_sets(bool(row[_MALE] > 0), 1, self.rng)[0] for row in labels]
        return torch.from_numpy(np.stack(sets)).to(self.options.device)

    def _attribute_loss(self, images: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
        return (losses.attribute_loss(logits, targets) + losses.attribute_loss(self.judge(images.float()), targets)) / 2

    def _adversarial(self, images: Tensor, fake: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        with torch.no_grad(), self._autocast():
            real = self.discriminator(images)
        return losses.adversarial_generator(real[0], fake[0]) + losses.adversarial_generator(real[1], fake[1])

    def _discriminator_steps(self, images: Tensor, fake: Tensor, labels: Tensor) -> float:
        """Train the discriminator on this step's fakes, then on earlier ones beside fresh photos.

        With one step on the newest fakes alone it chased the generator and stayed at chance. A history, as in
        A. Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR 2017,
        costs no generator pass.
        """
        fake = fake.detach()
        value = self._discriminator_step(images, fake, labels)
        for _ in range(self.options.history_steps if self._history else 0):
            real, real_labels = self._batch()
            picks = self.rng.integers(len(self._history), size=len(fake))
            old = torch.stack([self._history[p][i] for p, i in zip(picks, self.rng.permutation(len(fake)), strict=True)])
            self._discriminator_step(real, old, real_labels)
        if self.step % 4 == 0:
            self._history = [*self._history[-_HISTORY:], fake]
        return value

    def _discriminator_step(self, real: Tensor, fake: Tensor, labels: Tensor) -> float:
        with self._autocast():
            real_logit, real_patch, attributes = self.discriminator(real)
            fake_logit, fake_patch, _ = self.discriminator(fake)
        loss = losses.adversarial_discriminator(real_logit, fake_logit) + losses.adversarial_discriminator(real_patch, fake_patch)
        value = loss.item()
        loss = loss + losses.attribute_loss(attributes, labels)
        self.d_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.d_optimiser.step()
        return value

    def _generator_step(self, loss: Tensor) -> None:
        self.g_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.generator.parameters(), 10.0)
        self.g_optimiser.step()
        ema(self.average, self.generator, min(0.998, (self.step + 1) / (self.step + 10)))

    @torch.inference_mode()
    def sample_grid(self, path: Path, n: int = 10) -> None:
        """A picture of the same few faces: input, reconstruction, two-pass edits, and an edit of the pixelated input."""
        rows: list[Tensor] = []
        rng = np.random.default_rng(0)
        pick = rng.choice(len(self.data), n, replace=False)
        images = to_tensor(self.data.crops[pick]).to(self.options.device)
        labels = torch.from_numpy(self.data.labels[pick].astype(np.float32)).to(self.options.device) * 2 - 1
        rows += [images, self.average(images, labels)]
        for strength in (1.0, 1.0, 1.0, 1.5):
            sets = np.stack([sample_sets(bool(row[_MALE] > 0), 1, rng, strength)[0] for row in labels.cpu()])
            a = torch.from_numpy(sets).to(self.options.device)
            rows.append(self.average(self.average(images, a), -a))
        coarse = coarsen(images, 18)
        rows += [coarse, self.average(self.average(coarse, a), -a)]
        grid = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
        pixels = ((grid.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
        PillowImage.fromarray(pixels).save(path)


def _surround_mask() -> Tensor:
    """(1, 128, 128): 1 far from the face, 0 inside it, with a soft edge; the blend takes nothing from where it is 1."""
    ys, xs = np.mgrid[:128, :128]
    radius = np.sqrt(((xs - 64) / 44) ** 2 + ((ys - 72) / 54) ** 2)
    return torch.from_numpy(np.clip((radius - 0.9) / 0.2, 0, 1).astype(np.float32))[None]
