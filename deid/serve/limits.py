"""Limits of uploads and sessions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper limits of what is taken in; what is over one is refused by name.

    Args:
        photo_bytes: size of one photo.
        film_bytes: size of one video.
        pixels: width x height of a photo, all its frames counted.
        film_pixels: width x height of a video.
        duration_s: length of a video.
        files: files of one session at a time.
        sessions: sessions at a time.
        corrections: corrections in one request, and faces drawn in one file.
        stalled_s: an upload that brings nothing for so long is ended.
        away_s: a session whose page has been gone for so long is closed, and its files are deleted.
        idle_s: the same for a session that never had a page, counted from its last request.
    """

    photo_bytes: int = 100 * 2**20
    film_bytes: int = 2 * 2**30
    pixels: int = 100_000_000
    film_pixels: int = 4096 * 2304
    duration_s: float = 30 * 60.0
    files: int = 500
    sessions: int = 20
    corrections: int = 500
    stalled_s: float = 20.0
    away_s: float = 60.0
    idle_s: float = 3600.0

    def bytes_of(self, video: bool) -> int:
        """The size that a video, or a photo, may have."""
        return self.film_bytes if video else self.photo_bytes
