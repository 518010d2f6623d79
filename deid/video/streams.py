"""Streams of a file: which one is the video, and which others are left out."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from deid.core.errors import VideoReadError
from deid.video.library import pyav

#: Codecs of still pictures: a stream of one such picture is cover art.
_STILL = {"bmp", "gif", "jpegls", "mjpeg", "png", "tiff", "webp"}
#: Number of packets that show whether a stream has more than one picture.
_PACKETS = 2000
#: FFmpeg's flags of a stream's role.
DEFAULT_ROLE, _ATTACHED, _STILL_IMAGE = 0x1, 0x400, 0x100000
#: Roles that a copied sound stream keeps: default, dub, original, comment, forced, for the hard of hearing, for the blind.
KEPT_ROLES = 0x1 | 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def video_stream(container: Any) -> Any:
    """The stream that is the video: neither cover art nor a single picture beside a video; of several, the default one, then the largest.

    Raises:
        VideoReadError: there is none.
    """
    candidates: Sequence[Any] = [s for s in container.streams.video if not s.disposition & (_ATTACHED | _STILL_IMAGE)]
    if not candidates:
        got = "cover art alone" if container.streams.video else "none"
        raise VideoReadError(f"expected a video stream, got {got}")
    if len(candidates) > 1 and any(s.codec_context.name in _STILL for s in candidates):
        candidates = _moving(container.name, candidates)
    return max(candidates, key=lambda s: (bool(s.disposition & DEFAULT_ROLE), s.width * s.height, -s.index))


def _moving(name: str, candidates: Sequence[Any]) -> Sequence[Any]:
    """Those of a file's streams that have more than one packet; all when none has."""
    n_packets: Counter[int] = Counter()
    # A file of its own: not every container can go back to its beginning.
    with pyav().open(name) as container:
        wanted = [container.streams[s.index] for s in candidates]
        for n, packet in enumerate(container.demux(*wanted)):
            n_packets[packet.stream.index] += packet.size > 0
            if n >= _PACKETS or all(n_packets[s.index] > 1 for s in candidates):
                break
    return [s for s in candidates if n_packets[s.index] > 1] or candidates


def left_out(container: Any, video: Any) -> tuple[str, ...]:
    """What a video's output never has, in words; sound is left out only on request.

    Args:
        container: the video's file.
        video: the stream that is anonymized.
    """
    others = [s for s in container.streams if s.index != video.index and s.type != "audio"]
    chapters = len(container.chapters()) if hasattr(container, "chapters") else 0
    return tuple(_described(s) for s in others) + ((f"{chapters} chapters",) if chapters else ())


def _described(stream: Any) -> str:
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    if stream.type == "video":
        kind = "cover art" if stream.disposition & _ATTACHED or codec in _STILL else "video"
        return f"stream {stream.index}: {kind} ({codec}, {stream.width} x {stream.height})"
    return f"stream {stream.index}: {stream.type} ({codec}{', ' + name if (name := language(stream)) else ''})"


def language(stream: Any) -> str:
    """The language code of a stream; empty when it has none, or a text in its place."""
    named = str(stream.metadata.get("language", ""))
    return named if _LANGUAGE.fullmatch(named) and named != "und" else ""
