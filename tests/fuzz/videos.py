"""Draws videos in which faces appear for a moment, and looks whether any frame shows one.

python tests/fuzz/videos.py --count 500 --seed 0

Every video has its own seed, printed when a frame is exposed: `--count 1 --seed N` draws that video again. The faces are from the data sets
(see `tests/conftest.py`). The videos go through the finder that all videos go through, without encoder and editor: a face is covered
when the boxes that an editor would cover hold its middle.
"""

import argparse
import io
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.options import Options
from deid.core.types import Image
from deid.detection.refine import FaceRefiner
from deid.imaging import geometry
from deid.video.find import FaceFinder
from deid.video.looks import build_search
from deid.video.search import Search

#: The part of an LFW photo that is shown, and the face in it, in pixels of the photo (250, 250).
_SHOWN, _FACE = (42, 36, 208, 208), (84, 76, 168, 182)
_SIZES = ((192, 256), (240, 320), (272, 480), (320, 240), (540, 960))
_RATES = (2.0, 5.0, 10.0, 15.0, 24.0, 25.0, 30.0, 50.0, 60.0)
#: A hand shakes by up to so many pixels each way, and a light flickers by this share.
_SHAKES, _FLICKERS = 4, 0.3
#: The middle of a face: so much of its box; it counts as covered when this share of it is, and is looked for when this share is in view.
_MIDDLE, _COVERED, _IN_VIEW = 0.6, 0.9, 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A frame that is an array already."""

    image: Image

    def rgb(self) -> Image:
        return self.image


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A video.

    Args:
        frames: (H, W, 3) uint8 RGB.
        faces: of every frame, the boxes (4,) of the faces in it.
        rate: frames per second.
    """

    frames: list[Image]
    faces: list[list[NDArray[np.float64]]]
    rate: float


def portraits(archive: Path, n: int, seed: int = 0) -> list[Image]:
    """Photos (250, 250, 3) from the archive of LFW, at most one of each person."""
    with tarfile.open(archive) as tar:
        first = {m.name.split("/")[-2]: m for m in reversed(tar.getmembers()) if m.name.endswith(".jpg")}
        members = [first[name] for name in sorted(first)]
        chosen = np.random.default_rng(seed).choice(len(members), n, replace=False)
        files = [tar.extractfile(members[i]) for i in chosen]
        return [np.asarray(PillowImage.open(io.BytesIO(f.read())).convert("RGB")) for f in files if f is not None]


def draw(seed: int, photos: Sequence[Image]) -> Drawn:
    """A video in which one to three faces appear, each for 1 to 5 frames, anywhere, and move by 0 to 160 pixels a frame."""
    rng = np.random.default_rng(seed)
    size = _SIZES[rng.integers(len(_SIZES))]
    n = int(rng.integers(14, 25))
    frames = list(_scene(rng, n, size))
    faces: list[list[NDArray[np.float64]]] = [[] for _ in frames]
    for _ in range(int(rng.integers(1, 4))):
        _show(rng, frames, faces, photos[rng.integers(len(photos))])
    return Drawn(frames, faces, float(_RATES[rng.integers(len(_RATES))]))


def _scene(rng: np.random.Generator, n: int, size: tuple[int, int]) -> Iterator[Image]:
    """A background without a face: a gradient, colours, a texture over which the camera moves, light that flickers on one, or a hand
    that shakes; with grain or without."""
    kind, (h, w) = int(rng.integers(5)), size
    step = rng.integers(-6, 7, 2) if kind == 2 else np.zeros(2, int)
    reach = np.abs(step) * n + (2 * _SHAKES if kind == 4 else 0)
    base = _texture(rng, kind, (h + int(reach[1]), w + int(reach[0])))
    grain = float(rng.choice([0.0, 2.0, 5.0]))
    for i in range(n):
        x, y = (int(s * i if s >= 0 else r + s * i) for s, r in zip(step, reach, strict=True))
        if kind == 4:
            x, y = (int(v) for v in rng.integers(0, 2 * _SHAKES + 1, 2))
        light = rng.uniform(1 - _FLICKERS, 1 + _FLICKERS) if kind == 3 else 1.0
        frame = light * base[y : y + h, x : x + w] + (rng.normal(0, grain, (h, w, 1)) if grain else 0.0)
        yield np.clip(frame, 0, 255).astype(np.uint8)


def _texture(rng: np.random.Generator, kind: int, size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Smooth colours, or for a light and a hand that change, detail at every scale as in photos."""
    coarse = (2, 2) if kind == 0 else tuple(int(v) for v in rng.integers(6, 30, 2))
    scales = (1, 2, 4, 8, 16) if kind in (3, 4) else (1,)
    base = np.zeros((*size_hw, 3), np.float32)
    for scale in scales:
        detail = rng.integers(0, 256, (coarse[0] * scale, coarse[1] * scale, 3)).astype(np.float32)
        base += cv2.resize(detail, size_hw[::-1], interpolation=cv2.INTER_CUBIC) / scale
    return base / sum(1 / scale for scale in scales)


def _show(rng: np.random.Generator, frames: list[Image], faces: list[list[NDArray[np.float64]]], photo: Image) -> None:
    """Put a face into some frames, in place."""
    h, w = frames[0].shape[:2]
    side = int(rng.integers(40, min(h, w, 150)))
    x0, y0, x1, y1 = _SHOWN
    patch = cv2.resize(photo[y0:y1, x0:x1], (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    box = (np.array(_FACE, float) - np.tile([x0, y0], 2)) * side / (x1 - x0)
    mask = _mask(side, bool(rng.integers(2)))
    speed, angle = rng.choice([0.0, rng.uniform(0, 20), rng.uniform(20, 160)]), rng.uniform(0, 2 * np.pi)
    step = speed * np.array([np.cos(angle), np.sin(angle)])
    at = rng.uniform([0, 0], [w - side, h - side])
    first, length = int(rng.integers(0, len(frames))), int(rng.integers(1, 6))
    for i in range(first, min(first + length, len(frames))):
        corner = np.round(at + step * (i - first)).astype(int)
        frames[i] = _pasted(frames[i], patch, mask, corner)
        # A later face hides an earlier one.
        here = np.concatenate([corner, corner + side]).astype(float)
        faces[i] = [other for other in faces[i] if geometry.box_intersection(other, here)[0, 0] < 0.1 * geometry.box_area(other)[0]]
        shown = box + np.tile(corner, 2)
        if geometry.box_area(geometry.clip_box(shown, (h, w)))[0] >= _IN_VIEW * geometry.box_area(shown)[0]:
            faces[i].append(shown)


def _mask(side: int, round_: bool) -> NDArray[np.float32]:
    """Of a patch, how much of it is laid over the frame: all of it, or an ellipse with a soft edge."""
    if not round_:
        return np.ones((side, side, 1), np.float32)
    mask = np.zeros((side, side), np.float32)
    cv2.ellipse(mask, (side // 2, side // 2), (round(0.42 * side), round(0.48 * side)), 0, 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.03 * side)[..., None])


def _pasted(frame: Image, patch: NDArray[np.float32], mask: NDArray[np.float32], corner: NDArray[np.int64]) -> Image:
    side, (h, w) = patch.shape[0], frame.shape[:2]
    x, y = (int(v) for v in corner)
    into = np.s_[max(0, y) : max(0, min(h, y + side)), max(0, x) : max(0, min(w, x + side))]
    rows, columns = into
    own = np.s_[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
    out = frame.copy()
    if rows.stop > rows.start and columns.stop > columns.start:
        share = mask[own]
        out[into] = (share * patch[own] + (1 - share) * frame[into]).astype(np.uint8)
    return out


def exposed(video: Drawn, looks: Search, refiner: FaceRefiner, options: Options) -> list[tuple[int, int]]:
    """Frames and sizes of the faces that would show in them."""
    finder: FaceFinder[Still] = FaceFinder(looks, refiner, options, video.rate)
    found = [f for image in video.frames for f in finder.push(Still(image))]
    found += finder.finish()
    shown = []
    for i, (frame, faces) in enumerate(zip(found, video.faces, strict=True)):
        boxes = [geometry.expand_box(f.detection.box_xyxy, 1 + 2 * options.margin) for f in frame.faces]
        shown += [(i, round(float(f[2] - f[0]))) for f in faces if _share_covered(f, boxes, video.frames[0].shape[:2]) < _COVERED]
    return shown


def _share_covered(face: NDArray[np.float64], boxes: Sequence[NDArray[np.float64]], size_hw: tuple[int, int]) -> float:
    rows, columns = geometry.box_to_slices(geometry.expand_box(face, _MIDDLE), size_hw)
    covered = np.zeros(size_hw, bool)
    for box in boxes:
        covered[geometry.box_to_slices(box, size_hw)] = True
    return float(covered[rows, columns].mean())


def main() -> int:
    """Draw videos and say which ones are exposed; 1 when any is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="number of videos")
    parser.add_argument("--seed", type=int, default=0, help="of the first video; the next one has the next number")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data", help="folder with the data sets")
    given = parser.parse_args()
    photos, options = portraits(given.data / "lfw-deepfunneled.tar", 200), Options()
    looks, refiner = build_search(options), FaceRefiner()
    n_faces = n_exposed = n_videos = 0
    began = time.process_time()
    for seed in range(given.seed, given.seed + given.count):
        video = draw(seed, photos)
        shown = exposed(video, looks, refiner, options)
        n_faces, n_exposed, n_videos = n_faces + sum(map(len, video.faces)), n_exposed + len(shown), n_videos + bool(shown)
        if shown:
            print(f"seed {seed}: {video.rate:g} frames/s, (frame, width) exposed: {shown}", flush=True)
    print(f"{given.count} videos, {n_faces} faces: {n_exposed} exposed in {n_videos} videos; {time.process_time() - began:.0f} CPU seconds")
    return int(n_exposed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
