"""What an encoder's pixel format does not keep of a source's."""

from typing import Any


def not_kept(source: Any, chosen: Any) -> list[str]:
    """Notes on bits and colour resolution that are lost.

    Args:
        source: FFmpeg's format of the decoded frames.
        chosen: the encoder's format.
    """
    before, after = (max(c.bits for c in kind.components) for kind in (source, chosen))
    notes = [f"{before} bits a channel became {after}"] if after < before else []
    # H.264 has a grey format, which most players and FFmpeg itself take for one with colours.
    notes += [f"it is grey: it is written as {chosen.name}, in which all colours are grey"] if is_grey(source) else []
    return notes + (["its colours have half the resolution now"] if _chroma(chosen) < _chroma(source) else [])


def is_grey(kind: Any) -> bool:
    """Whether FFmpeg's format has no colours; it may have transparency."""
    return len(kind.components) <= 2 and not (kind.is_rgb or kind.has_palette)


def _chroma(kind: Any) -> int:
    """Colour samples of a block of 16 x 16 pixels; 0 for grey."""
    if kind.is_rgb or kind.has_palette:
        return 256
    return 0 if is_grey(kind) else int(kind.chroma_width(16) * kind.chroma_height(16))
