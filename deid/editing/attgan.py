"""AttGAN's two passes: with an attribute set, then with its opposite, which restores the gender.

They run over an identity-free stand-in. Two more passes, with an empty set, show what the network loses of any face; this is subtracted.
Only what the attribute set changed is added to the stand-in, which keeps its sharpness. Without a stand-in they edit the face itself,
as the thesis did.
"""

import copy
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.compositing.blend import shrunk
from deid.compositing.glasses import without
from deid.core.attributes import ATTRIBUTES, CROP_SIZE
from deid.core.errors import EditError
from deid.core.remembered import digest
from deid.core.temporal import held, steadied
from deid.core.types import AlignedFace, Crops, EditedFace, StandIn
from deid.editing.portraits import Portraits
from deid.editing.sampler import SET_SIZE, portraits_of
from deid.editing.stand_in import Sketch, sketch
from deid.editing.thin_plate import warp_to
from deid.imaging.geometry import scaled
from deid.landmarks.face_points import FacePoints
from deid.models.inference import Network, TorchNetwork
from deid.recognition.linear import PortraitReader
from deid.weights.networks import open_network

if TYPE_CHECKING:
    from deid.models.attgan import Generator

#: Median of a face's grey levels up to which it is edited as if it were lit, and by how much at most: of darker faces, which the
#: generator has not learned from, it makes specks.
_DIM, _MOST_LIGHT = 70.0, 8.0
#: What is face in any aligned crop.
_FACE = np.s_[44:108, 40:88]
#: Of a change this band is kept, as sigmas in pixels of 128: what is finer shows as blotches once it is enlarged, what is coarser is
#: light, which the photo gives.
_FINE, _COARSE = 1.0, 9.0
#: Most grey levels that a change may brighten or darken, and tint.
_MOST_CHANGE, _MOST_TINT = 22.0, 5.0
#: In a video, a change is moved with the face for so many keyframes before it is made anew.
_HELD = 4
#: So many sketches are kept for new faces that may be made of them, of 1 MB each.
_SKETCHES = 16


def coarsen(crops: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Crops (N, 128, 128, 3) with no more detail than a mosaic of ``cells`` x ``cells`` holds, but without its edges.

    The generator made hard-edged mosaics into faces with a grid in them.
    """
    starts = np.arange(cells) * CROP_SIZE // cells
    stops = -(-(np.arange(cells) + 1) * CROP_SIZE // cells)
    at = np.arange(CROP_SIZE)
    means = ((starts[:, None] <= at) & (at < stops[:, None])) / (stops - starts)[:, None]
    small = np.asarray(np.einsum("ij,njkc,lk->nilc", means, crops, means, optimize=True), np.float32)
    return np.stack([cv2.resize(crop, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR) for crop in small])


class _TwoPasses:
    """Base of both editors: the network and its two passes.

    Args:
        device: where the network runs.
        network: in place of the shipped one.
    """

    name = "attgan"

    def __init__(self, device: str, network: "Generator | None") -> None:
        self._device, self._network = device, network
        self._ready: Network | None = None
        self._lock = threading.RLock()

    @property
    def network(self) -> Network:
        """Both passes of the generator, read and made ready on first use."""
        with self._lock:
            if self._ready is None:
                self._ready = open_network("attgan", self._device) if self._network is None else _passes(self._network, self._device)
            return self._ready

    def preload(self) -> None:
        """Read the generator now.

        Raises:
            WeightsError: the file is missing, altered, or holds something else.
        """
        _ = self.network

    def _seen(self, crops: NDArray[np.float32]) -> NDArray[np.float32]:
        """Input of the network for crops (N, 128, 128, 3); a subclass may make it coarser."""
        return crops

    def _two_passes(self, crops: Crops, sets: NDArray[np.float32]) -> Crops:
        """Crops (N, 128, 128, 3) under sets (k N, 13): the first N are for them in order, and so are the next."""
        (pixels,) = self.network(self._seen(crops.astype(np.float32)), sets)
        return np.asarray(pixels.round(), np.uint8)


def _passes(network: "Generator", device: str) -> Network:
    from deid.models.attgan import TwoPasses

    return TorchNetwork(TwoPasses(network), device)


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """Change of a face (128, 128, 3) by both passes, and the landmarks (68, 2) of that face."""

    field: NDArray[np.float32]
    points: NDArray[np.float64]

    def on(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """The same change where another frame has the landmarks."""
        return self.field if points is self.points else warp_to(self.field, self.points, points)


class AttganEditor(_TwoPasses):
    """Proposes one new face per attribute set: a stand-in, plus the change by two passes.

    Args:
        device: where the network runs.
        bank: portraits for stand-ins; the shipped ones are read on first use when None.
        network: in place of the shipped one.
    """

    def __init__(self, device: str = "cpu", bank: Portraits | None = None, network: "Generator | None" = None) -> None:
        super().__init__(device, network)
        self._bank, self._points, self._sketches = bank, FacePoints(), OrderedDict[bytes, Sketch]()

    def portraits(self) -> Portraits:
        """The portraits, read on first use.

        Raises:
            WeightsError: the file is missing, altered, or holds something else.
        """
        with self._lock:
            if self._bank is None:
                self._bank = Portraits(weights.read_bank(), PortraitReader())
            return self._bank

    def preload(self) -> None:
        """Read the generator and the portraits now.

        Raises:
            WeightsError: a file is missing, altered, or holds something else.
        """
        super().preload()
        self.portraits().preload()

    def edit(self, face: AlignedFace, attributes: NDArray[np.float32], strength: float = 1.0) -> list[EditedFace]:
        """One proposal per attribute set: what both passes change, added to the set's stand-in.

        Args:
            face: with a crop (128, 128, 3).
            attributes: (N, SET_SIZE) sets of the first pass and their stand-ins, see `deid.editing.sampler`.
            strength: what the sets were widened with; kept in the result.

        Raises:
            EditError: a shape is wrong.
        """
        rows, face = _checked(face, attributes), without(face)
        large = face.crop if face.large is None else face.large
        made = [self._sketch(face, row).at_scale(self.portraits(), large) for row in rows]
        # Only a video's one row is steadied: several would take turns.
        steady = face.steady if len(rows) == 1 else None
        changes = held(steady, "change", lambda: self._bounded_changes(made, rows[:, : len(ATTRIBUTES)]), _HELD)
        kept = [steadied(steady, "change", change.on(m.points), 12.0) for change, m in zip(changes, made, strict=True)]
        edited = [replace(m, face=_added(m.face, k)) for m, k in zip(made, kept, strict=True)]
        return [EditedFace(shrunk(e.face), self.name, a, strength, e) for e, a in zip(edited, rows, strict=True)]

    def sketch(self, face: AlignedFace, attributes: NDArray[np.float32]) -> StandIn:
        """The stand-in (128, 128, 3) of an attribute set (SET_SIZE,), without an edit. `edit` goes on with it; errors as there."""
        (row,), face = _checked(face, attributes[None]), without(face)
        made = self._sketch(face, row)
        with self._lock:
            self._sketches[_key(face, row)] = made
            while len(self._sketches) > _SKETCHES:
                self._sketches.popitem(last=False)
        return made.in_small(face.crop)

    def _sketch(self, face: AlignedFace, row: NDArray[np.float32]) -> Sketch:
        """What was sketched of a stand-in for a face without glasses, or is now."""
        with self._lock:
            made = self._sketches.pop(_key(face, row), None) if face.steady is None else None
        points = self._points.points(face.crop) if face.points is None else face.points
        return made or sketch(self.portraits(), *portraits_of(row), face.crop, points, face.steady)

    def _bounded_changes(self, made: Sequence[StandIn], sets: NDArray[np.float32]) -> list[_Change]:
        """Changes of N stand-ins by sets (N, 13)."""
        changes = self.changes(np.stack([shrunk(m.face) for m in made]), sets)
        return [_Change(_bounded(change), m.points) for change, m in zip(changes, made, strict=True)]

    def changes(self, crops: Crops, sets: NDArray[np.float32]) -> NDArray[np.float32]:
        """Changes of faces (N, 128, 128, 3) by sets (N, 13): (N, 128, 128, 3) in grey levels, positive is brighter."""
        light = np.array([_light_for(c) for c in crops], np.float32)[:, None, None, None]
        lit = np.asarray(np.clip(crops * light, 0, 255).round(), np.uint8)
        both = self._two_passes(lit, np.concatenate([sets, np.zeros_like(sets)])).astype(np.float32)
        return np.asarray((both[: len(crops)] - both[len(crops) :]) / light, np.float32)


class FaceAttganEditor(_TwoPasses):
    """Proposes one new face per attribute set: both passes over the face itself, as the thesis did.

    Args:
        device: where the network runs.
        cells: when given, resolution at which an edit sees the face, as cells of a mosaic across it.
        network: in place of the shipped one.
    """

    def __init__(self, device: str = "cpu", cells: int | None = None, network: "Generator | None" = None) -> None:
        super().__init__(device, network)
        self.cells = cells

    def coarse(self, cells: int) -> "FaceAttganEditor":
        """The same editor with a view of the face as coarse as a mosaic of this many cells across."""
        _ = self.network
        other = copy.copy(self)
        other.cells = cells
        return other

    def edit(self, face: AlignedFace, attributes: NDArray[np.float32], strength: float = 1.0) -> list[EditedFace]:
        """One proposal per attribute set; arguments and errors as for `AttganEditor.edit`."""
        rows = _checked(face, attributes)
        name = self.name if self.cells is None else f"{self.name}_{self.cells}"
        light = _light_for(face.crop)
        lit = np.asarray(np.clip(face.crop * light, 0, 255).round(), np.uint8)
        edited = self._two_passes(lit[None], rows[:, : len(ATTRIBUTES)])
        crops = np.asarray((edited / light).round(), np.uint8)
        return [EditedFace(c, name, a, strength) for c, a in zip(crops, rows, strict=True)]

    def _seen(self, crops: NDArray[np.float32]) -> NDArray[np.float32]:
        return crops if self.cells is None else coarsen(crops, self.cells)


def _checked(face: AlignedFace, attributes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Attribute sets (N, SET_SIZE), once their shape and the crop's are right."""
    if face.crop.shape != (CROP_SIZE, CROP_SIZE, 3):
        raise EditError(f"expected a crop of {CROP_SIZE} x {CROP_SIZE} x 3, got {face.crop.shape}")
    rows = np.asarray(attributes, np.float32)
    if rows.ndim != 2 or rows.shape[1] != SET_SIZE:
        raise EditError(f"expected attribute sets (N, {SET_SIZE}), got {rows.shape}")
    return rows


def _key(face: AlignedFace, row: NDArray[np.float32]) -> bytes:
    """Of a sketch."""
    return digest((face.crop, face.points, row))


def _light_for(crop: NDArray[np.uint8]) -> float:
    """Factor that brightens a dark face (128, 128, 3) before it is edited."""
    return float(np.clip(_DIM / max(1.0, float(np.median(crop[_FACE]))), 1.0, _MOST_LIGHT))


def _bounded(change: NDArray[np.float32]) -> NDArray[np.float32]:
    """A change (128, 128, 3) as far as it bears to be enlarged."""
    band = cv2.GaussianBlur(change, (0, 0), _FINE) - cv2.GaussianBlur(change, (0, 0), _COARSE)
    grey = cv2.merge([(band[..., 0] + band[..., 1] + band[..., 2]) / 3] * 3)
    kept = _MOST_CHANGE * np.tanh(grey / _MOST_CHANGE) + _MOST_TINT * np.tanh((band - grey) / _MOST_TINT)
    return np.asarray(kept, np.float32)


def _added(face: NDArray[np.float32], change: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.clip(face + scaled(change, face.shape[0]), 0, 255), np.float32)
