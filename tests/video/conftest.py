"""Small videos, made on the spot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.detection.refine import FaceRefiner

RATE = Fraction(25)


def moving(n: int, size_hw: tuple[int, int] = (48, 64)) -> list[Image]:
    """A bright square that moves over a gradient, two pixels a frame."""
    h, w = size_hw
    frames = []
    for i in range(n):
        image = np.zeros((h, w, 3), np.uint8)
        image[..., 0] = np.linspace(20, 120, w, dtype=np.uint8)[None]
        image[..., 1] = np.linspace(40, 160, h, dtype=np.uint8)[:, None]
        x = (2 * i) % max(1, w - 16)
        image[h // 3 : h // 3 + 12, x : x + 12] = 230
        frames.append(image)
    return frames


def look_alike(a: Path, b: Path) -> bool:
    """Whether two videos show the same frames, but for a few grey levels of the encoder's.

    libx264 does not always write the same bytes for the same frames (about one video in ten of 20 frames, PyAV's build of FFmpeg); with
    `superfast` they were off by up to 16 grey levels.
    """
    with av.open(str(a)) as first, av.open(str(b)) as second:
        shown = [[frame.to_ndarray(format="rgb24").astype(int) for frame in video.decode(video=0)] for video in (first, second)]
    return len(shown[0]) == len(shown[1]) and all(np.abs(x - y).max() <= 24 for x, y in zip(*shown, strict=True))


def write_video(
    path: Path,
    images: Sequence[Image],
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = 1 / RATE,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    full_range: bool = False,
    sound: bool = False,
    tags: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A video of these frames, as another program might have made it."""
    with av.open(str(path), "w", options=options or {}) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream(codec, rate=RATE, options={"crf": "10"} if codec == "libx264" else {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.time_base = stream.codec_context.time_base = time_base
        # RGB has no matrix.
        rgb = pixel_format in ("bgr0", "rgb24")
        stream.codec_context.color_range, stream.codec_context.colorspace = 2 if full_range or rgb else 1, 0 if rgb else 1
        tone = container.add_stream("aac", rate=16_000) if sound else None
        for i, image in enumerate(images):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format=pixel_format, dst_colorspace=1, dst_color_range=2 if full_range else 1
            )
            picture.pts, picture.time_base = (i if pts is None else pts[i]), time_base
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if tone is not None:
            samples = np.sin(np.arange(16_000 * len(images) // 25) / 9)[None].astype(np.float32)
            for start in range(0, samples.shape[1], 1024):
                part = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, start : start + 1024]), format="fltp", layout="mono")
                part.rate, part.pts = 16_000, start
                container.mux(tone.encode(part))
            container.mux(tone.encode(None))
    return path


def packets(path: Path, kind: str) -> list[bytes]:
    """The packets of all streams of a kind, in order."""
    with av.open(str(path)) as container:
        wanted = [s for s in container.streams if s.type == kind]
        return [bytes(p) for s in wanted for p in container.demux(s) if p.size] if len(wanted) == 1 else []


def times(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        return [f.pts * f.time_base for f in container.decode(video=0)]


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 frames of 48 x 64 with sound."""
    return write_video(
        tmp_path_factory.mktemp("film") / "film.mp4", moving(20), sound=True, tags={"title": "Secret", "artist": "A. Person"}
    )


@dataclass
class ScriptedDetector:
    """Finds the bright square of `moving` in the frames that it is allowed to."""

    name: str = "scripted"
    score: float = 0.95
    blind: Callable[[int], bool] = lambda n: False
    n_seen: int = 0
    found: list[int] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    def detect(self, image: Image) -> list[Detection]:
        self.n_seen += 1
        self.sizes.append((image.shape[0], image.shape[1]))
        if self.blind(self.n_seen - 1):
            return []
        ys, xs = np.nonzero(image.min(axis=2) > 180)
        if len(ys) < 20:
            return []
        self.found.append(self.n_seen - 1)
        return [Detection(np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float), self.score, None, self.name)]


@pytest.fixture
def scripted() -> type[ScriptedDetector]:
    return ScriptedDetector


@pytest.fixture
def no_networks(monkeypatch: pytest.MonkeyPatch) -> ScriptedDetector:
    """A detector for the square in place of MTCNN, at every frame, with no networks behind it."""
    from deid.video import pipeline
    from deid.video.search import Search

    detector = ScriptedDetector()
    monkeypatch.setattr("deid.video.pipeline.build_search", lambda options: Search([detector]))
    monkeypatch.setattr(pipeline, "FaceRefiner", lambda **_: Nowhere())
    return detector


@pytest.fixture
def nowhere() -> FaceRefiner:
    """Follows no face."""
    return Nowhere()


class Nowhere(FaceRefiner):
    """Finds nothing where a face is expected: only whole searches do."""

    def __init__(self) -> None:
        pass

    def refine(self, image: Image, boxes: object) -> list[Detection | None]:
        return [None] * len(boxes)  # type: ignore[arg-type]


@pytest.fixture
def every_frame() -> Options:
    """Options that search every frame and cover at once."""
    return Options(method="solid", detect_every=1, seed=1)
