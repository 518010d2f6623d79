"""Trains the generator: first to edit attributes, then to put another person in the place of the one it sees.

Stage one learns single attributes from pictures of them (`deid.training.prototypes`) in place of AttGAN's attribute classifier,
whose judgement a generator meets with dots that only classifiers read. Stage two also runs both passes as the product does, from
an input as coarse as the product's, to a mean of other people's faces in the source's pose and light (`deid.training.morph`); the
identity code says whose, the attributes are painted on it. The discriminator makes it sharp (relativistic least squares in place
of WGAN-GP), recognisers and MTCNN's landmarks hold it where it shall be.

A generator whose two passes are good can learn single attributes anew and keep them: then stage two copies what they made of a
face when the run began (Z. Li, D. Hoiem, "Learning without Forgetting", ECCV 2016).
"""

import copy
import itertools
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor, nn
from torch.nn import functional

from deid.attributes.sampler import RANGE, sample_sets
from deid.blend import face_mask
from deid.edit.attgan import AttganEditor, coarsen
from deid.exceptions import ConfigError
from deid.models.attgan import ATTRIBUTES, N_CODES, Discriminator, Generator, inverted
from deid.training import checkpoint, identity, losses, low_rank
from deid.training.classifier import ema, to_tensor
from deid.training.curves import plot
from deid.training.data import FaceData
from deid.training.morph import Morph, Morphs
from deid.training.precision import autocast
from deid.training.prototypes import Prototypes
from deid.training.recognisers import CropRecogniser, jittered

log = logging.getLogger(__name__)
_MALE, _MUSTACHE, _NO_BEARD = (ATTRIBUTES.index(a) for a in ("Male", "Mustache", "No_Beard"))
#: What a morph is made to show of a set: attributes that lie inside the face and leave its light alone.
_SHOWN = [ATTRIBUTES.index(a) for a in ("Bushy_Eyebrows", "Mustache", "No_Beard", "Young")]
_BEARDS, _GLASSES = [_MUSTACHE, _NO_BEARD], ATTRIBUTES.index("Eyeglasses")
_HAIR = _BLACK, _BROWN, _ = [ATTRIBUTES.index(a) for a in ("Black_Hair", "Brown_Hair", "Blond_Hair")]
#: How much of a prototype takes a face from one side of an attribute to the other in a new face, which is a little more of its
#: gender than people are, for the mean of three is less.
_NEW, _MORE_GENDER = 1.5, 0.4
#: The same where single attributes change, which shall be seen: means of many faces are pale. First to bring one, then to take it:
#: what few people have looks least like itself in the mean.
_ALONE: Mapping[str, tuple[float, float]] = {
    "Bangs": (4.0, 2.5),
    "Brown_Hair": (5.0, 2.0),
    "Eyeglasses": (2.5, 2.5),
    "Mouth_Slightly_Open": (2.0, 1.5),
    "Mustache": (2.5, 2.5),
    "No_Beard": (2.5, 2.5),
    "Young": (4.5, 2.5),
}
_BROUGHT, _TAKEN = np.array([_ALONE.get(a, (2.0, 2.0)) for a in ATTRIBUTES]).T
#: How much more than the whole picture the pixels count that an edit changes. A moustache is two in a hundred.
_FOCUS = 3.0
#: Share of the faces shown alone that stay as they are, and of those of which two attributes change.
_UNCHANGED, _TWICE = 0.2, 0.2
#: What is learned slowest is asked for twice as often.
_SLOW = ("Brown_Hair", "Bushy_Eyebrows", "Male", "Mouth_Slightly_Open", "Young")
_OFTEN = np.array([2.0 if a in _SLOW else 1.0 for a in ATTRIBUTES])
#: Steps in which Adam's first moments come to mean something: without, the first steps undo much of what a generator knows.
_WARM_UP = 100
#: Batches of earlier edits that the discriminator sees again, every fourth one kept.
_HISTORY = 30
#: Batches on which a decoder's layers are seen before they are factored.
_WATCHED = 20


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """Settings of a run.

    Args:
        width: channels of the first convolution of generator and discriminator.
        ranks: of the generator, see `Generator`.
        steps: of both stages together.
        private_from: step at which stage two begins.
        private_ramp: steps over which its identity weights grow to the full ones.
        discriminator_first: steps that the discriminator alone takes at the beginning of stage two.
        batch_size: faces a step.
        edit_learning_rate: of stage one.
        learning_rate: of stage two; twice as much for the discriminator. Both fall to a tenth by the end of their stage.
        likeness: weight of the likeness to the picture of the wanted face, in both stages.
        adversarial, repel, attract, landmarks: weights of stage two: the discriminator, distance from the source and nearness to
            its new people for the recognisers (0 leaves the recognisers out), MTCNN's landmarks.
        margin: cosine to the source, seen from the mean face, under which it counts as led away.
        goal: cosine to the others from which they count as reached: more is noise that only a recogniser sees.
        history_steps: discriminator steps on earlier edits that follow the one on the newest.
        pixelated: share of the inputs that have no more detail than a mosaic of 14 to 32 cells, as the product's have.
        keep: whether stage two copies the two passes of the generator that the run begins with.
        lfw_share: share of the faces that come from LFW: next to CelebA's blurred crops, blur counts as real.
        seed: of weights, order and drawn attributes.
        device: where it runs.
    """

    width: int = 32
    ranks: Sequence[int] = (256, 320, 128, 64)
    steps: int = 9000
    private_from: int = 2600
    private_ramp: int = 600
    discriminator_first: int = 0
    batch_size: int = 16
    edit_learning_rate: float = 8e-4
    learning_rate: float = 1.5e-4
    likeness: float = 30.0
    adversarial: float = 0.4
    repel: float = 1.0
    attract: float = 1.0
    landmarks: float = 10.0
    margin: float = 0.1
    goal: float = 0.5
    history_steps: int = 1
    pixelated: float = 0.8
    keep: bool = False
    lfw_share: float = 0.9
    seed: int = 0
    device: str = "cpu"


class GeneratorTraining:
    """The state of a run and its steps.

    Args:
        data: faces with labels for all attributes (0 or 1).
        out: folder for the checkpoint, the curves and the sample grids; a run there goes on.
        options: settings.
        recognisers: what stage two leads away from.
        landmarker: MTCNN's O-Net, for stage two.
        start: a generator to begin with; it may be one that knows no identity codes, and one without ranks, which is factored.

    Raises:
        ConfigError: the generator to begin with has another width or other ranks, or there is none whose two passes could be kept.
    """

    def __init__(
        self,
        data: FaceData,
        out: Path,
        options: GeneratorOptions,
        recognisers: list[CropRecogniser],
        landmarker: losses.Landmarker,
        start: Generator | None = None,
    ) -> None:
        if options.keep and start is None:
            raise ConfigError("expected a generator to start with, whose two passes are kept, got none")
        self.data, self.out, self.options = data, out, options
        self.recognisers = [r.to(options.device) for r in recognisers]
        self.landmarker = landmarker.to(options.device)
        torch.manual_seed(options.seed)
        self.rng = np.random.default_rng(options.seed)
        layout, device = torch.channels_last, options.device
        self._chances = _chances(data, options.lfw_share)
        self._history: list[tuple[Tensor, Tensor]] = []
        self._labels = torch.from_numpy(data.labels.astype(np.float32)).to(device) * 2 - 1
        self._people, self._places = identity.measure(data, self.recognisers, device)
        self._morphs = Morphs(data, torch.cat(self._places, dim=1).cpu().numpy())
        self._editor = AttganEditor()
        self._prototypes = Prototypes(data, self._morphs.points)
        self.generator, self._teacher = (g.to(device).to(memory_format=layout) for g in self._beginning(start))
        self.average: Generator = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.discriminator = Discriminator(options.width).to(device).to(memory_format=layout)
        # How fast they learn is for `_pace` to say.
        betas = (0.5, 0.99)
        self.g_optimiser = torch.optim.Adam(self.generator.parameters(), betas=betas)
        self.d_optimiser = torch.optim.Adam(self.discriminator.parameters(), betas=betas)
        self.step = 0
        self.curves: list[dict[str, float]] = []
        self._resume()

    def _beginning(self, start: Generator | None) -> tuple[Generator, Generator]:
        """The generator that learns, and the one whose two passes are kept: they say the same."""
        width, ranks = self.options.width, tuple(self.options.ranks)
        if start is None:
            generator = Generator(width, n_codes=N_CODES, ranks=ranks)
            return generator, generator
        if start.width != width or start.ranks not in ((), ranks):
            got = f"{start.width} and {list(start.ranks)}"
            raise ConfigError(f"expected a generator of width {width} and ranks {list(ranks)} to start with, got {got}")
        teacher = _with_codes(start).to(self.options.device).eval().requires_grad_(False)
        if start.ranks == ranks:
            return copy.deepcopy(teacher).requires_grad_(True), teacher
        return low_rank.factored(teacher, ranks, self._watch), teacher

    @torch.inference_mode()
    def _watch(self, generator: Generator) -> None:
        """Let a generator do for some faces all that it is trained for."""
        for _ in range(_WATCHED):
            pick, images, labels = self._batch(mirrored=False)
            sets = self._random_sets(labels)
            generator(generator(self._stand_ins(pick, sets), sets), inverted(sets))
            changed, _ = self._single_edits(pick, labels)
            generator(images, _same_person(changed))

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
        plot(self.curves, self.out / "curves.png")

    def run(self, progress: Callable[[int, int, str], None] | None = None, save_every: int = 200) -> Generator:
        """Train to the last step; returns the average of the weights (EMA), in evaluation mode."""
        self.out.mkdir(parents=True, exist_ok=True)
        while self.step < self.options.steps:
            private = self._kept_step if self.options.keep else self._private_step
            step = private if self.step >= self.options.private_from else self._edit_step
            self._pace()
            values = step(*self._batch(mirrored=False))
            self.step += 1
            if self.step % 20 == 0:
                self.curves.append({"step": self.step} | {k: float(v) for k, v in values.items()})
            if progress:
                progress(self.step, self.options.steps, " ".join(f"{k} {v:.3f}" for k, v in values.items()))
            if self.step % save_every == 0 or self.step == self.options.steps:
                self.save()
                self.sample_grid(self.out / f"samples-{self.step:06d}.png")
        return self.average

    def _pace(self) -> None:
        """Let the learning rates rise at the beginning of each stage, and fall, along a cosine, to a tenth by its end."""
        options = self.options
        begin, end, rate = 0, min(options.private_from, options.steps), options.edit_learning_rate
        if self.step >= options.private_from:
            begin, end, rate = options.private_from, options.steps, options.learning_rate
        left = (1 + math.cos(math.pi * (self.step - begin) / max(1, end - begin))) / 2
        rate *= (0.1 + 0.9 * left) * min(1.0, (self.step - begin + 1) / _WARM_UP)
        for optimiser, times in ((self.g_optimiser, 1.0), (self.d_optimiser, 2.0)):
            for group in optimiser.param_groups:
                group["lr"] = times * rate

    def _batch(self, mirrored: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Indices (N,) of faces, their images (N, 3, 128, 128) in [-1, 1], half of them mirrored if wanted, and labels (N, 13)."""
        pick = self.rng.choice(len(self.data), self.options.batch_size, p=self._chances)
        images = to_tensor(self.data.crops[pick])
        turned = torch.from_numpy(self.rng.random(len(pick)) < 0.5 * mirrored)
        images[turned] = images[turned].flip(3)
        labels = torch.from_numpy(self.data.labels[pick].astype(np.float32)) * 2 - 1
        images, device = images.contiguous(memory_format=torch.channels_last), self.options.device
        return torch.from_numpy(pick).to(device), images.to(device), labels.to(device)

    def _pixelate_some(self, images: Tensor) -> Tensor:
        out = images.clone()
        for i in np.flatnonzero(self.rng.random(len(images)) < self.options.pixelated):
            out[i : i + 1] = coarsen(images[i : i + 1], int(self.rng.integers(14, 33)))
        return out

    def _stand_ins(self, faces: Tensor, sets: Tensor) -> Tensor:
        """What the product shows the first pass of faces (N,), with no more detail than mosaics of 20 to 48 cells."""
        told = sets.cpu().numpy()
        shown = [self._editor.shown(self.data.crops[f], told[i : i + 1], self._morphs.points[f]) for i, f in enumerate(faces.tolist())]
        return torch.cat([coarsen(to_tensor(crop), int(self.rng.integers(20, 49))) for crop in shown]).to(sets.device)

    def _edit_step(self, pick: Tensor, images: Tensor, labels: Tensor) -> dict[str, float]:
        """One step of stage one: single attributes."""
        self.generator.train()
        alone = self._alone(pick, images, labels)
        self._generator_step(self.options.likeness * alone)
        return {"alone": alone.item()}

    def _private_step(self, pick: Tensor, images: Tensor, labels: Tensor) -> dict[str, float]:
        """One step of stage two: both passes to a new face on half of the batch, single attributes on the rest."""
        options = self.options
        n = len(images) // 2
        source, own, faces = images[:n], labels[:n], pick[:n]
        goal, sets, wanted, people = self._lesson(faces, own)
        # Batch norm as at inference: the product edits single faces.
        self.generator.eval()
        with autocast(self.options.device):
            first = self.generator(self._pixelate_some(source), sets)
            edited = self.generator(first, inverted(sets))
        d_loss = self._discriminator_steps(images, labels, edited, wanted)
        adversarial = self._adversarial(images, labels, edited, wanted)
        alone = self._alone(pick[n:], images[n:], labels[n:])
        morph = losses.likeness(edited.float(), goal)
        with torch.no_grad():
            points, _ = self.landmarker(source)
        new_points, found = self.landmarker(edited)
        landmark = (new_points - points).abs().mean() + 0.1 * functional.relu(0.99 - found).mean()
        repel, attract = self._identity(faces, edited, people, own[:, _MALE] > 0)
        ramp = min(1.0, (self.step - options.private_from + 1) / options.private_ramp)
        loss = (
            ramp * (options.adversarial * adversarial + options.repel * repel + options.attract * attract)
            + options.likeness * (morph + alone)
            + options.landmarks * landmark
        )
        self._generator_step(loss)
        values = {"d": d_loss, "g": adversarial, "alone": alone, "morph": morph}
        return {k: float(torch.as_tensor(v).detach()) for k, v in (values | {"lm": landmark, "rep": repel, "atr": attract}).items()}

    def _kept_step(self, pick: Tensor, images: Tensor, labels: Tensor) -> dict[str, float]:
        """One step of stage two that keeps what the two passes do: theirs on half of the batch, single attributes on the rest."""
        n = len(images) // 2
        sets = self._random_sets(labels[:n])
        seen = self._stand_ins(pick[:n], sets)
        masks = np.stack([face_mask(self._morphs.points[face]) for face in pick[:n].tolist()])
        # What lies outside the mask is never pasted.
        weight = 0.2 + torch.from_numpy(masks).float().to(images.device)[:, None]
        self.generator.eval()
        with autocast(self.options.device):
            first = self.generator(seen, sets)
            second = self.generator(first, inverted(sets))
            with torch.no_grad():
                told = self._teacher(seen, sets)
                shown = self._teacher(told, inverted(sets))
        kept = losses.likeness(second.float(), shown.float(), weight) + losses.likeness(first.float(), told.float(), weight)
        alone = self._alone(pick[n:], images[n:], labels[n:])
        self._generator_step(self.options.likeness * (kept + alone))
        return {"alone": alone.item(), "kept": kept.item()}

    def _lesson(self, faces: Tensor, own: Tensor) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """What the faces of indices (N,) with labels (N, 13) shall become.

        Returns:
            The new faces (N, 3, 128, 128), the sets of the first pass that ask for them (N, 13 + N_CODES), the signs of the
            attributes that they have (N, 13), and per recogniser where the new people lie (N, D).
        """
        device, sets = self.options.device, self._random_sets(own)
        asked = _asked(sets, own)
        morphs = [self._morphs.draw(int(i), bool(a[_GLASSES] > 0), self.rng) for i, a in zip(faces, asked, strict=True)]
        shares = torch.zeros(len(faces), len(self.data))
        for row, m in enumerate(morphs):
            shares[row].index_add_(0, torch.from_numpy(m.donors), torch.from_numpy(m.shares).float())
        people = [functional.normalize(shares.to(device) @ places) for places in self._places]
        sets[:, len(ATTRIBUTES) :] = self._people.codes(people)
        amounts = torch.zeros_like(own)
        amounts[:, _SHOWN] = _NEW / 2 * (asked - shares.to(device) @ self._labels)[:, _SHOWN]
        amounts[:, _BEARDS] *= own[:, [_MALE]] > 0
        amounts[:, _MALE] = _MORE_GENDER * own[:, _MALE]
        goal = np.stack([self._painted(m, a) for m, a in zip(morphs, amounts.double().cpu().numpy(), strict=True)])
        return to_tensor(goal).to(device), sets, asked.sign(), people

    def _painted(self, morph: Morph, amounts: NDArray[np.float64]) -> NDArray[np.uint8]:
        """A morph with more or less of its attributes (13,), inside the face."""
        changed, alpha = self._prototypes.change(morph.crop, morph.points, amounts), morph.mask[..., None]
        return np.asarray((changed * alpha + morph.crop * (1 - alpha)).round(), np.uint8)

    def _alone(self, faces: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """How unlike their pictures single edits of faces (N,) are, the more where there is something to change."""
        changed, painted = self._single_edits(faces, labels)
        with autocast(self.options.device):
            edited = self.generator(images, _same_person(changed))
        # As much in all for every face, whatever the size of what changes; where nothing does, alike for every pixel.
        change = (painted - images).abs() + 1e-3
        return losses.likeness(edited.float(), painted, 1 + _FOCUS * change / change.mean(dim=(1, 2, 3), keepdim=True))

    def _single_edits(self, faces: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Few attributes of most faces on their other side, as far as a strength goes: what is asked (N, 13) and how it looks.

        What shall stay is asked for as 0, as in M. Liu et al., "STGAN: A Unified Selective Transfer Network", CVPR 2019: told in
        AttGAN's way what a face shall have, the generator had to find out first what it has.
        """
        device, shown = self.options.device, labels.cpu().numpy()
        strength = self.rng.uniform(0.5, RANGE, (len(faces), 1))
        numbers = self.rng.choice(3, size=(len(faces), 1), p=(_UNCHANGED, 1 - _UNCHANGED - _TWICE, _TWICE))
        # Drawn without putting back: the first to arrive of clocks that run as fast as each attribute is asked for.
        moved = (self.rng.exponential(1 / _OFTEN, shown.shape)).argsort(axis=1).argsort(axis=1) < numbers
        changed = np.where(moved, -shown * strength, 0.0)
        amounts = np.where(shown < 0, _BROUGHT, _TAKEN) * changed
        _make_room(amounts, shown)
        known = zip(self.data.crops[faces.cpu()], self._morphs.points[faces.cpu()], amounts, strict=True)
        pictures = np.stack([self._prototypes.change(*one) for one in known])
        return torch.from_numpy(changed.astype(np.float32)).to(device), to_tensor(pictures).to(device)

    def _identity(self, sources: Tensor, edited: Tensor, people: list[Tensor], male: Tensor) -> tuple[Tensor, Tensor]:
        """How near the edits are to their sources, given by index, and how far from their new people, over the recognisers."""
        repel, attract = torch.zeros(()), torch.zeros(())
        if not (self.options.repel or self.options.attract):
            return repel, attract
        # Not aligned to the pixel and not all sharp: what leads away must not be a pattern that a shift or a blur undoes.
        view = jittered(edited, self.rng)
        for i, recogniser in enumerate(self.recognisers):
            after = self._people.seen_from_mean(i, recogniser(view), male)
            repel = repel + losses.repel(self._places[i][sources], after, self.options.margin)
            attract = attract + losses.attract(people[i], after, self.options.goal)
        return repel, attract

    def _random_sets(self, labels: Tensor) -> Tensor:
        sets = [sample_sets(bool(row[_MALE] > 0), 1, self.rng)[0] for row in labels]
        return torch.from_numpy(np.stack(sets)).to(self.options.device)

    def _adversarial(self, images: Tensor, labels: Tensor, fakes: Tensor, wanted: Tensor) -> Tensor:
        """The adversarial loss of fakes that shall have the wanted attributes (N, 13)."""
        # It judges here and learns nothing: what its own gradients would cost is saved.
        self.discriminator.requires_grad_(False)
        with autocast(self.options.device):
            real_logit, real_patch, _ = self.discriminator(images, labels)
            fake_logit, fake_patch, _ = self.discriminator(fakes, wanted)
        self.discriminator.requires_grad_(True)
        return losses.adversarial_generator(real_logit, fake_logit) + losses.adversarial_generator(real_patch, fake_patch)

    def _discriminator_steps(self, images: Tensor, labels: Tensor, fakes: Tensor, wanted: Tensor) -> float:
        """Train the discriminator on this step's fakes, then on earlier ones beside fresh photos.

        With one step on the newest fakes alone it chased the generator and stayed at chance. A history, as in
        A. Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR 2017,
        costs no generator pass.
        """
        fakes = fakes.detach()
        value = self._discriminator_step(images, labels, fakes, wanted)
        for _ in range(self.options.history_steps if self._history else 0):
            _, real, own = self._batch()
            batches, rows = self.rng.integers(len(self._history), size=len(real)), self.rng.integers(len(fakes), size=len(real))
            old = [(self._history[b][0][i], self._history[b][1][i]) for b, i in zip(batches, rows, strict=True)]
            self._discriminator_step(real, own, torch.stack([o[0] for o in old]), torch.stack([o[1] for o in old]))
        if self.step % 4 == 0:
            self._history = [*self._history[-_HISTORY:], (fakes, wanted)]
        return value

    def _discriminator_step(self, real: Tensor, labels: Tensor, fakes: Tensor, wanted: Tensor) -> float:
        with autocast(self.options.device):
            real_logit, real_patch, attributes = self.discriminator(real, labels)
            fake_logit, fake_patch, _ = self.discriminator(fakes, wanted)
        loss = losses.adversarial_discriminator(real_logit, fake_logit) + losses.adversarial_discriminator(real_patch, fake_patch)
        value = loss.item()
        loss = loss + losses.attribute_loss(attributes, labels)
        self.d_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.d_optimiser.step()
        return value

    def _generator_step(self, loss: Tensor) -> None:
        if 0 <= self.step - self.options.private_from < self.options.discriminator_first:
            return
        self.g_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.generator.parameters(), 10.0)
        self.g_optimiser.step()
        ema(self.average, self.generator, min(0.998, (self.step + 1) / (self.step + 10)))

    @torch.inference_mode()
    def sample_grid(self, path: Path, n: int = 10) -> None:
        """A picture of the same few faces: input, reconstruction, two-pass edits of an input as the product's, and of a coarse one."""
        rows: list[Tensor] = []
        pick = np.random.default_rng(0).choice(len(self.data), n, replace=False, p=self._chances)
        images = to_tensor(self.data.crops[pick]).to(self.options.device)
        labels = torch.from_numpy(self.data.labels[pick].astype(np.float32)).to(self.options.device) * 2 - 1
        rows += [images, self.average(images, _same_person(torch.zeros_like(labels)))]
        for cells in (29, 29, 29, 29, 18):
            a = self._random_sets(labels)
            rows.append(self.average(self.average(coarsen(images, cells), a), inverted(a)))
        grid = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
        pixels = ((grid.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
        PillowImage.fromarray(pixels).save(path)


def _same_person(changes: Tensor) -> Tensor:
    """What is wanted (N, 13 + N_CODES) of faces that stay who they are but for changes (N, 13)."""
    return functional.pad(changes, (0, N_CODES))


def _asked(sets: Tensor, own: Tensor) -> Tensor:
    """What sets (N, 13 + N_CODES) of the first pass ask of faces with labels (N, 13): from -1, none of it, to 1.

    What no set moves stays as it is. A man's moustache and beard lie on his side at any size: nothing is none.
    """
    told = (inverted(sets)[:, : len(ATTRIBUTES)] / RANGE).clamp(-1, 1)
    asked = torch.where(told == 0, own, told)
    man = own[:, _MALE] > 0
    asked[man, _MUSTACHE] = 2 * told[man, _MUSTACHE] - 1
    asked[man, _NO_BEARD] = 2 * told[man, _NO_BEARD] + 1
    return asked


def _make_room(amounts: NDArray[np.float64], shown: NDArray[np.float32]) -> None:
    """Let one colour of hair take another's place, in what is added (N, 13) to faces with labels (N, 13): they are one head's."""
    for colour, other in itertools.permutations(_HAIR, 2):
        amounts[(amounts[:, colour] > 0) & (shown[:, other] > 0), other] = -1.0
    amounts[amounts[:, _BROWN] < 0, _BLACK] = 1.0


def _chances(data: FaceData, lfw_share: float) -> NDArray[np.float64]:
    """How often each face is drawn: the data sets by share, and as many women as men in each."""
    lfw, male = data.sources == "lfw", data.labels[:, _MALE] > 0
    chances = np.zeros(len(data))
    for group, share in ((lfw & male, lfw_share), (lfw & ~male, lfw_share), (~lfw & male, 1 - lfw_share), (~lfw & ~male, 1 - lfw_share)):
        chances[group] = share / max(1, group.sum())
    return np.asarray(chances / chances.sum())


def _with_codes(start: Generator) -> Generator:
    """A copy that takes identity codes; one that knows none does not heed them."""
    out = Generator(start.width, n_codes=N_CODES, ranks=start.ranks)
    own = out.state_dict()
    for name, value in start.state_dict().items():
        # The inputs for identity codes are the last ones of a layer.
        own[name].zero_()[tuple(slice(n) for n in value.shape)] = value
    return out
