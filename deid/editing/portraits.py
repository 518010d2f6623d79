"""Portraits of people who do not exist: the bank, the features of each, and the choice of those that suit a face.

A stand-in made from a few portraits in one shape is k-Same after alignment.

E. Newton, L. Sweeney, B. Malin, "Preserving Privacy by De-identifying Facial Images", TKDE 2005.
R. Gross et al., "Semi-Supervised Learning of Multi-Factor Models for Face De-Identification", CVPR 2008.
"""

from collections.abc import Collection
from functools import cached_property, lru_cache
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import WeightsFormatError
from deid.core.protocols import ReadsPortraits
from deid.core.types import Image
from deid.editing.looks import HELD, LIGHT, POSE, SKIN, Looks, pose
from deid.editing.sampler import MIX
from deid.editing.shapes import INNER, Shapes

#: Side of a portrait in pixels: three times that of an aligned crop.
SIDE = 384
#: Of the portraits that suit a face, so many at most, so many are drawn alike often; one that suits so much less than the last of those is
#: drawn e times more seldom.
_SUITABLE, _ALIKE, _WORSE = 32, 4, 3.0
#: What a mismatch of skin (Lab, 0 to 255) counts; so many years count one, and no age counts more than the next number.
_SKIN_WEIGHTS, _YEARS, _MOST_YEARS = (1 / 20, 1 / 12, 1 / 12), 1.4, 25.0
#: How old a new face looks: so much of its portrait's years, and so many more. Young people got faces that were ten years too old.
_LOOKS_AS, _LOOKS_OLDER = 0.75, 11.5
#: Lightness that is farther off than this is no longer the light's alone; so much more counts one. A face whose origin is misread then gets
#: no skin of quite another shade.
_SHADE, _OTHER_SHADE = 35.0, 6.0
#: A portrait farther from the subject than this by dlib's network is another sort of person; so much farther counts one.
_AKIN, _STRANGER = 0.62, 0.05
#: One that lies farther than people of the same gender, origin and age usually do by this is far enough; so much nearer counts one in a
#: choice, twice that four, and nothing more than the last number, for a group may have few portraits. The third is for the second network.
_FARTHER, _NEAR, _NEAR_SECOND, _NEAREST = 0.1, 0.055, 0.077, 30.0
#: Of nearly the same age is who differs by no more than about so many years.
_SAME_AGE = 8.0
#: A face of one origin in place of one of another counts so much. The colour of cheeks is also the light's; this is not.
_ORIGIN = 24.0
#: A person with a child's probability over this is a child; one between this and the second, somebody half grown, may get either's face.
CHILD, _HALF_GROWN = 0.7, 0.3
#: Landmarks of a mirrored face, in order.
MIRRORED = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
MIRRORED += [*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]
#: What a mismatch of these attributes counts. A beard that ends where the new face begins shows most.
_COUNTS = {"Young": 5.0, "No_Beard": 16.0, "Mustache": 6.0, "Mouth_Slightly_Open": 1.5, "Bushy_Eyebrows": 1.0}
#: Somebody has a beard under this probability of none. The classifier's doubt counts so many times less: moustaches and stubble, of which
#: it is not sure, got a shaved face.
_NO_BEARD, _BEARDED, _SURER = ATTRIBUTES.index("No_Beard"), 0.6, 3.0
#: Where `pose` says how far the mouth is open, how wide it is and how far its corners are lifted. A mismatch of the first counts so much
#: besides, and more of any of them so much. A smile in place of none counts most: a grave face that smiles is another expression.
_GAP, _LIPS, _APART, _WIDER, _SMILE = 2, slice(2, 5), 0.8, 1.2, 6.0
#: Teeth are squeezed or torn in a mouth whose opening is off by more than this; so much more counts so much besides.
_MOST_APART, _FAR_APART = 1.2, 4.0
#: So much darker or lighter brows (a share of the skin's lightness) count one, and none count more than the second number: painted lighter
#: or darker they are smeared.
_BROWS, _MOST_BROWS = 0.03, 12.0
#: The jaw line may lie so far from the subject's, in pixels of 128; so much farther counts one. Farther than the third number, a portrait
#: is bent so far that it is refused after all: so much more counts so much besides.
_JAW, _BENT, _MOST_BENT, _FAR_BENT = 5.0, 1.5, 8.0, 2.5
#: A portrait looks enough like a snapshot from this logit on; each less counts so much, and no more count than the last number.
_SNAPSHOT, _POSED, _MOST_POSED = 1.2, 2.5, 3.5


def mirrored(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Landmarks (68, 2) of an aligned crop after it is mirrored."""
    return np.column_stack([127 - points[MIRRORED, 0], points[MIRRORED, 1]])


class Portraits:
    """A bank of portraits.

    A portrait and its mirror image count as two: number ``i`` and ``i + n``.

    Args:
        arrays: `images`, the pictures as WebP one after another (uint8); `ends` (N,), where each ends; `points` (N, 68, 2) landmarks
            in pixels of a 128 px crop; and `looks` (N, 189), see `Looks.row`. Older banks lack `brows` (N,) and `second` (N, D), see
            `Looks`.
        reader: reads what portraits are compared by, from embeddings by `embedder` and from landmarks.

    Raises:
        WeightsFormatError: an array is missing, has another shape, or holds what cannot be.
    """

    #: The recognisers of the looks' embeddings.
    embedder, second_embedder = "dlib_resnet", "mobilenet"

    def __init__(self, arrays: dict[str, NDArray[np.generic]], reader: ReadsPortraits) -> None:
        points, looks, brows, second = self._checked(arrays)
        ends = self._ends
        self.n_pictures = len(ends)
        self.points = np.concatenate([points, np.stack([mirrored(p) for p in points])])
        both = np.concatenate([looks, looks])
        cuts = np.cumsum([POSE, LIGHT, SKIN, len(ATTRIBUTES), 128])
        self.pose, maps, self.skin, self.attributes, self.embedding, rest = np.split(both, cuts, axis=1)
        self.pose, self.brows, self.second = pose(self.points), np.tile(brows, 2), np.concatenate([second, second])
        n = self.n_pictures
        turned = maps[n:].reshape(n, 6, 6)[:, :, ::-1].reshape(n, LIGHT)
        self.light = np.concatenate([maps[:n], turned])
        self.male, self.child = rest[:, 0] > 0.5, rest[:, 1] > CHILD
        self._reader = reader
        self._picture = lru_cache(64)(self._decoded)
        self._posed = lru_cache(1)(lambda: _posed(reader, self.second))

    def _checked(self, arrays: dict[str, NDArray[np.generic]]) -> tuple[NDArray[Any], ...]:
        """Landmarks, looks, brows and second embeddings of a bank, after its pictures are kept; the bank may be a user's."""
        try:
            self._data, self._ends = np.asarray(arrays["images"], np.uint8), np.asarray(arrays["ends"], np.int64)
            points, looks = np.asarray(arrays["points"], np.float64), np.asarray(arrays["looks"], np.float64)
        except KeyError as error:
            raise WeightsFormatError(f"expected {error} in a bank of portraits") from error
        brows = np.asarray(arrays.get("brows", np.zeros(self._ends.size)), np.float64)
        second = np.asarray(arrays.get("second", np.zeros((self._ends.size, 0))), np.float32)
        n, width = self._ends.size, POSE + LIGHT + SKIN + len(ATTRIBUTES) + 128 + 2
        if points.shape != (n, 68, 2) or looks.shape != (n, width) or not n:
            raise WeightsFormatError(f"expected landmarks (N, 68, 2) and looks (N, {width}) of N = {n} portraits")
        if brows.shape != (n,):
            raise WeightsFormatError(f"expected brows ({n},) of portraits, got {brows.shape}")
        if second.ndim != 2 or len(second) != n:
            raise WeightsFormatError(f"expected second embeddings ({n}, D) of portraits, got {second.shape}")
        if not all(np.isfinite(part).all() for part in (points, looks, brows, second)):
            raise WeightsFormatError("expected landmarks, looks, brows and embeddings of portraits to be finite numbers")
        if self._ends.ndim != 1 or (np.diff(self._ends, prepend=0) <= 0).any() or self._ends[-1] != self._data.size:
            raise WeightsFormatError(f"expected rising ends of {n} portraits in {self._data.size} bytes of pictures")
        return points, looks, brows, second

    def __len__(self) -> int:
        return 2 * self.n_pictures

    @cached_property
    def years(self) -> NDArray[np.float64]:
        """(len,) how old each looks."""
        return self._reader.years(self.embedding, self.second)

    @cached_property
    def shapes(self) -> Shapes:
        """The shapes that its faces have."""
        return Shapes(self.points, self.pose[:, HELD])

    @cached_property
    def origins(self) -> NDArray[np.float64]:
        """(len, 4) the probability of each origin, see `deid.recognition.linear.ORIGINS`."""
        return self._reader.origins(self.embedding, self.second)

    @cached_property
    def smile(self) -> NDArray[np.float64]:
        """(len,) the probability that each smiles."""
        return self._reader.smile(self.points)

    def preload(self) -> None:
        """Read now what portraits are compared by.

        Raises:
            WeightsError: a reader's file is missing, altered, or holds something else.
        """
        self._reader.preload()

    def picture(self, number: int) -> Image:
        """(384, 384, 3) uint8 RGB.

        Raises:
            WeightsFormatError: it is damaged.
        """
        return self._picture(number)

    def _decoded(self, number: int) -> Image:
        i = number % self.n_pictures
        data = self._data[self._ends[i - 1] if i else 0 : self._ends[i]]
        # Half of Pillow's time, and the same pixels.
        coded = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if coded is None:
            raise WeightsFormatError(f"portrait {i} of the bank is damaged, or this OpenCV reads no WebP")
        if coded.shape != (SIDE, SIDE, 3):
            size = f"{coded.shape[1]} x {coded.shape[0]}"
            raise WeightsFormatError(f"expected portrait {i} of the bank to be {SIDE} x {SIDE}, got {size}")
        picture = np.asarray(cv2.cvtColor(coded, cv2.COLOR_BGR2RGB), np.uint8)
        return picture if number < self.n_pictures else np.ascontiguousarray(picture[:, ::-1])

    def mismatch(self, looks: Looks) -> NDArray[np.float64]:
        """(len,) how badly each portrait suits a face; infinite for the other gender, and for a child in place of an adult or the
        other way round."""
        off = self._other_expression(looks) + 0.6 * np.linalg.norm(self.light - looks.light, axis=1)
        skin = np.abs(self.skin - looks.skin)
        off += skin @ _SKIN_WEIGHTS + np.maximum(skin[:, 0] - _SHADE, 0) / _OTHER_SHADE
        if looks.embedding.any():
            off += self._other_sort(looks)[0]
        if looks.brows > 0:
            off += np.minimum(np.abs(self.brows - looks.brows) / _BROWS, _MOST_BROWS) * (self.brows > 0)
        own = looks.attributes.copy()
        own[_NO_BEARD] = _surer(own[_NO_BEARD])
        off += np.abs(self.attributes - own) @ [_COUNTS.get(name, 0.0) for name in ATTRIBUTES]
        off[(self.male != (looks.male > 0.5)) | np.where(self.child, looks.child <= _HALF_GROWN, looks.child > CHILD)] = np.inf
        return np.asarray(off)

    def _other_expression(self, looks: Looks) -> NDArray[np.float64]:
        """(len,) how far turn, mouth and eyes are from those of a face."""
        off = np.linalg.norm(self.pose - looks.pose, axis=1)
        # An open mouth that is shut, or a shut one that is opened, shows more than a turn.
        apart = np.abs(self.pose[:, _GAP] - looks.pose[_GAP])
        off += _APART * apart + _FAR_APART * np.maximum(apart - _MOST_APART, 0)
        off += _WIDER * np.maximum(self.pose[:, _LIPS] - looks.pose[_LIPS], 0).sum(axis=1)
        if looks.points.any():
            off += _SMILE * np.abs(self.smile - self._reader.smile(looks.points[None]))
            jaws = _jaws(self.points, looks.points)
            off += np.maximum(jaws - _JAW, 0) / _BENT + _FAR_BENT * np.maximum(jaws - _MOST_BENT, 0)
        return np.asarray(off)

    def _other_sort(self, looks: Looks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(len,) how far age and origin are from those of a person; and (len,) in [0, 1], how much each is of the same sort."""
        embedding = np.asarray(looks.embedding[None], np.float32)
        # Of both by the same recognisers: what these get wrong of either is alike.
        if _both_seen(self.second, looks):
            second = np.asarray(looks.second[None], np.float32)
            years, own = self.years, self._reader.years(embedding, second)
            origins, its = self.origins, self._reader.origins(embedding, second)
        else:
            years, own = self._reader.years(self.embedding), self._reader.years(embedding)
            origins, its = self._reader.origins(self.embedding), self._reader.origins(embedding)
        wanted = np.clip((own - _LOOKS_OLDER) / _LOOKS_AS, years.min(), years.max())
        off = np.minimum(np.abs(years - wanted) / _YEARS, _MOST_YEARS)
        elsewhere = np.abs(origins - its).sum(axis=1) / 2
        off += _ORIGIN * elsewhere
        # Somebody of quite another sort shows beside the subject's hair and ears.
        off += np.maximum(np.linalg.norm(self.embedding - embedding, axis=1) - _AKIN, 0) / _STRANGER
        return np.asarray(off), np.asarray((1 - elsewhere) ** 2 * np.exp(-(((years - wanted) / _SAME_AGE) ** 2) / 2))

    def unsuited(self, looks: Looks) -> NDArray[np.float64]:
        """(len,) `mismatch`, and how much nearer each portrait is than enough: by both at once, for the farthest of those that suit would
        be people of another sort. Networks tell people of some origins, and old people, apart less than others."""
        off = self.mismatch(looks)
        if not looks.embedding.any():
            return off
        off += self._posed()
        counts = self._other_sort(looks)[1] * (self.male == (looks.male > 0.5)) + 1e-6
        off += _too_near(self.embedding, looks.embedding, counts, _NEAR)
        if _both_seen(self.second, looks):
            off += _too_near(self.second, looks.second, counts, _NEAR_SECOND)
        return off

    def choose(self, looks: Looks, rng: np.random.Generator, taken: Collection[int] = (), n: int = MIX) -> list[int]:
        """Numbers of ``n`` different portraits that suit a face, the one that gives the detail first.

        Args:
            looks: the face.
            rng: where the randomness comes from.
            taken: numbers in use for other people in the same picture.
            n: how many.
        """
        return draw(self.unsuited(looks), rng, taken, n)


def draw(off: NDArray[np.float64], rng: np.random.Generator, taken: Collection[int] = (), n: int = MIX) -> list[int]:
    """Numbers of ``n`` different portraits, by how unsuited (len,) each of a bank is; other arguments as for `Portraits.choose`."""
    off, n_pictures = off.copy(), len(off) // 2
    chosen: list[int] = []
    used = {i % n_pictures for i in taken}
    while len(chosen) < n:
        off[[j for i in used for j in (i, i + n_pictures)]] = np.inf
        best = np.argsort(off, kind="stable")[:_SUITABLE]
        best = best[np.isfinite(off[best])]
        if not len(best):
            return chosen
        odds = np.exp(-np.maximum(off[best] - off[best[:_ALIKE]][-1], 0) / _WORSE)
        chosen.append(int(rng.choice(best, p=odds / odds.sum())))
        used.add(chosen[-1] % n_pictures)
    return chosen


def _surer(no_beard: float) -> float:
    """The probability of no beard, further from the one at which there may as well be some."""
    odds = _BEARDED / (1 - _BEARDED) * (1 - no_beard) / max(no_beard, 1e-3)
    return float(1 / (1 + odds**_SURER))


def _posed(reader: ReadsPortraits, second: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) how much less than enough portraits with these embeddings (N, D) look like snapshots; nothing where they are unknown."""
    return _POSED * np.clip(_SNAPSHOT - reader.snapshot(second), 0, _MOST_POSED) if second.size else np.zeros(len(second))


def _both_seen(portraits: NDArray[np.float32], looks: Looks) -> bool:
    """Whether one second recogniser saw both a face and the portraits, whose embeddings by it are (N, D)."""
    return bool(portraits.size) and looks.second.size == portraits.shape[1]


def _too_near(portraits: NDArray[np.floating], own: NDArray[np.floating], counts: NDArray[np.float64], near: float) -> NDArray[np.float64]:
    """(N,) how much nearer portraits' embeddings (N, D) lie to a face's (D,) than enough; ``counts`` (N,) says who is usual."""
    distance = np.linalg.norm(portraits - own, axis=1)
    usual = np.average(distance, weights=counts)
    return np.asarray(np.minimum((np.maximum(usual + _FARTHER - distance, 0) / near) ** 2, _NEAREST))


def _jaws(portraits: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(len,) how far each portrait's jaw line lies from that of a face (68, 2), in pixels, once its features lie on the face's: it is
    bent so far. (The strain of the warp goes with it, at a correlation of 0.95.)"""
    # Points as complex numbers: a similarity is one factor.
    its, own = (p[..., 0] + 1j * p[..., 1] for p in (portraits, points))
    its, own = its - its[:, INNER:].mean(axis=1, keepdims=True), own - own[INNER:].mean()
    factor = np.conj(its[:, INNER:]) @ own[INNER:] / np.maximum(np.square(np.abs(its[:, INNER:])).sum(axis=1), 1e-6)
    return np.asarray(np.sqrt(np.square(np.abs(factor[:, None] * its[:, :INNER] - own[:INNER])).mean(axis=1)))


@runtime_checkable
class PortraitEditor(Protocol):
    """An editor whose new faces begin as portraits."""

    def portraits(self) -> Portraits:
        """The portraits that may be used."""
        ...
