"""Files in, files out: which input goes where, and the result of each."""

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from PIL import Image as PillowImage

from deid.anonymizer import known
from deid.boxes.types import BoxedFile, BoxedFrame
from deid.core.errors import ConfigError, DataError, DependencyError, ImageError, VideoError
from deid.core.types import Detection, ImageResult
from deid.imaging import codec
from deid.imaging.codec import Picture
from deid.imaging.formats import is_foreign, is_written, known_suffixes, suffix_of, why_not
from deid.video.containers import CONTAINERS

if TYPE_CHECKING:
    # Torch takes seconds to import; who plans a run needs none of it.
    from deid.anonymizer.engine import Anonymizer
    from deid.anonymizer.selection import Selection
    from deid.video.pipeline import Span, VideoResult


Refusal: TypeAlias = Literal["", "failed", "left out", "wrong use"]
#: What a name that ends so is taken for, other than a folder: `results.2026` and `conf.d` may be folders.
_LIKE_A_FILE = re.compile(r"\.(?=.*[a-z])[a-z0-9]{2,5}")


@dataclass(frozen=True, slots=True)
class Job:
    """One file to handle, or the reason why it cannot be.

    Args:
        source: the input.
        target: where its output goes.
        error: set when the job was refused before it began.
        refused: `left out` for a file of a kind that is not read, `wrong use` when other arguments would help, `failed` for any other
            reason; empty for a job that is to be done.
    """

    source: Path
    target: Path | None
    error: str = ""
    refused: Refusal = ""


@dataclass(frozen=True, slots=True, eq=False)
class FileResult:
    """The result for one file.

    Args:
        source: the input.
        target: the output; None when nothing was written.
        error: why it failed; empty when it did not. A film that could be read in part has both an error and a target.
        frames: one result per frame of a picture.
        film: the result for a film; None for a picture.
        left_out: whether it is a file of a kind that is not read; ``error`` says why.
        changes: notes on what was left out of a picture or changed.
    """

    source: Path
    target: Path | None = None
    error: str = ""
    frames: tuple[ImageResult, ...] = field(default=())
    film: "VideoResult | None" = None
    left_out: bool = False
    changes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what was left out of the file or changed."""
        return self.changes if self.film is None else self.film.notes

    @property
    def incomplete(self) -> bool:
        """Whether the output lacks what the input had: streams of a film, further pictures, a map of depth, a colour profile."""
        return any("left out" in note for note in self.notes)

    @property
    def failed(self) -> bool:
        """Whether it should have been done and was not, or not wholly."""
        return bool(self.error) and not self.left_out

    @property
    def status(self) -> str:
        """`done`, `failed`, `partial` for a film of which a part was done, or `left out`."""
        if self.left_out:
            return "left out"
        return "done" if not self.error else "failed" if self.target is None else "partial"

    @property
    def n_faces(self) -> int:
        """Faces of a picture's frames, tracks of a film."""
        return sum(len(f.faces) for f in self.frames) if self.film is None else len(self.film.tracks)

    @property
    def n_kept(self) -> int:
        """Faces of a picture's frames, tracks of a film, that were left as they are as was asked."""
        return sum(len(f.kept) for f in self.frames) if self.film is None else len(self.film.kept)

    @property
    def n_edited(self) -> int:
        """Of these, the ones on which the requested method passed."""
        return sum(f.n_edited for f in self.frames) if self.film is None else sum(t.asked for t in self.film.tracks)

    def to_dict(self, debug: bool = False) -> dict[str, Any]:
        """Plain values for JSON; ``debug`` as for a face."""
        told = {"notes": list(self.notes), "frames": [frame.to_dict(debug) for frame in self.frames]}
        return {
            "input": str(self.source),
            "output": None if self.target is None else str(self.target),
            "status": self.status,
            "error": self.error or None,
            **({"film": self.film.to_dict()} if self.film else told),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What is known of a file before it is handled.

    Args:
        name: path within the input folder, with slashes: its boxes and its mask are found by it.
        boxes: where its faces are; None where they are searched.
        only: whether nothing but these boxes is covered.
        record: whether the boxes of a film are kept for a report.
        selection: which of its faces are left as they are; the engine's one when None.
    """

    name: str
    boxes: BoxedFile | None = None
    only: bool = False
    record: bool = False
    selection: "Selection | None" = None


def names_of(inputs: Sequence[Path], jobs: Sequence[Job]) -> dict[Path, str]:
    """The names of inputs in files of boxes, by path: within the input folder, or alone.

    Raises:
        ConfigError: two inputs have one name.
    """
    folders = [path for path in inputs if path.is_dir()]
    names = {job.source: name_of(job.source, folders) for job in jobs}
    twice = [name for name, n in Counter(names.values()).items() if n > 1]
    if twice:
        raise ConfigError(f"two inputs are called {twice[0]}: boxes and masks are found by name; give one folder at a time")
    return names


def name_of(source: Path, folders: Sequence[Path]) -> str:
    """A file's name within the folder that it was found in, with slashes; its own name where it was named itself."""
    folder = next((f for f in folders if source.is_relative_to(f)), None)
    return source.name if folder is None else source.relative_to(folder).as_posix()


def check_use(inputs: Sequence[Path], out: Path, report: Path | None = None) -> None:
    """Refuse arguments that make no sense, before anything is loaded or written.

    Args:
        inputs: files and folders.
        out: a file or a folder.
        report: where the report goes; None for none.

    Raises:
        ConfigError: the output or the report cannot be where it is to go.
    """
    for given in inputs:
        if given.is_dir() and _strictly_inside(out, given):
            raise ConfigError(f"the output {out} lies inside the input {given}; choose a folder beside it")
    if out.is_dir() or not _is_file_name(inputs, out):
        check_place(out / "x", "the output")
    else:
        check_place(out, "the output")
    if report is not None:
        check_place(report, "the report")
        if os.path.realpath(report) in {os.path.realpath(path) for path in (*inputs, out)}:
            raise ConfigError(f"cannot write the report {report}: it is an input or the output")


def _strictly_inside(out: Path, folder: Path) -> bool:
    inner, outer = Path(os.path.realpath(out)), Path(os.path.realpath(folder))
    return inner != outer and inner.is_relative_to(outer)


def _is_file_name(inputs: Sequence[Path], out: Path) -> bool:
    """Whether an output that is no folder is to be a file.

    Raises:
        ConfigError: it looks like one and cannot be.
    """
    written = out.suffix.lower() in known_suffixes() or is_film(out)
    if len(inputs) != 1 or inputs[0].is_dir():
        if written:
            raise ConfigError(f"expected a folder for several files, got {out}")
        return False
    if not written:
        if _LIKE_A_FILE.fullmatch(out.suffix.lower()):
            raise ConfigError(f"cannot write {out}: {out.suffix} is no suffix of a picture or a film (a folder must be there)")
        return False
    if is_film(out) != is_film(inputs[0]):
        kinds = ("a film", "a picture") if is_film(inputs[0]) else ("a picture", "a film")
        raise ConfigError(f"cannot write {out}: {inputs[0].name} is {kinds[0]} and {out.name} is {kinds[1]}")
    if not is_film(out) and not is_written(out.suffix.lower()):
        raise ConfigError(f"cannot write {out}: pictures of the kind {out.suffix} are read and cannot be written")
    return True


def check_place(path: Path, what: str) -> None:
    """Refuse a place where no file can be written.

    Raises:
        ConfigError: it is a folder or a device, or a folder above it is missing, a file, or closed to this user.
    """
    try:
        if os.path.lexists(path) and path.exists() and not path.is_file():
            raise ConfigError(f"cannot write {what} {path}: it is {'a folder' if path.is_dir() else 'no regular file'}")
        folder = next(parent for parent in Path(os.path.abspath(path)).parents if os.path.lexists(parent))
    except OSError as error:
        raise ConfigError(f"cannot write {what} {path}: {error.strerror}") from error
    if not folder.is_dir():
        raise ConfigError(f"cannot write {what} {path}: Not a directory: {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write {what} {path}: Permission denied")


def plan(inputs: Sequence[Path], out: Path, overwrite: bool = False) -> list[Job]:
    """What to read and where to write it, and every file that is not to be done, with the reason.

    A single file goes to ``out`` itself when that has the suffix of a picture or film and is no folder; everything else goes into
    the folder ``out``, with the tree below each input folder kept.

    Args:
        inputs: files and folders.
        out: a file or a folder.
        overwrite: whether an existing file may be replaced, an input among them.
    """
    suffixes = known_suffixes() | set(CONTAINERS)
    single = len(inputs) == 1 and not inputs[0].is_dir() and out.suffix.lower() in suffixes and not out.is_dir()
    jobs = [_only(inputs[0], out)] if single else list(_pairs(inputs, out))
    sources = {os.path.realpath(job.source) for job in jobs if job.target is not None}
    taken: dict[str, Path] = {}
    return [_settled(job, sources, taken, overwrite) for job in jobs]


def _settled(job: Job, sources: set[str], taken: dict[str, Path], overwrite: bool) -> Job:
    """A job, refused where its target is another's, or there already."""
    source, target = job.source, job.target
    if target is None:
        return job
    place = os.path.realpath(target)
    if place in taken:
        return Job(source, None, f"{taken[place]} writes {target} too", "wrong use")
    taken[place] = source
    if not overwrite and place in sources:
        return Job(source, None, f"{target} is an input; pass --overwrite to replace it", "wrong use")
    if not overwrite and os.path.lexists(target):
        return Job(source, None, f"{target} exists; pass --overwrite to replace it", "wrong use")
    return job


def is_film(path: Path) -> bool:
    """Whether a suffix is that of a film."""
    return suffix_of(path) in CONTAINERS


def _only(given: Path, target: Path) -> Job:
    """The job of a file that was named."""
    try:
        mode = os.stat(given).st_mode
    except (OSError, ValueError) as error:
        return Job(given, None, f"cannot read {given}: {getattr(error, 'strerror', None) or error}", "wrong use")
    if not stat.S_ISREG(mode):
        return Job(given, None, f"cannot read {given}: it is no regular file", "failed")
    # The suffix of a file that was named may be wrong: its bytes decide. What is known to be something else is not tried.
    if is_foreign(given) and not is_film(given):
        return Job(given, None, why_not(given), "left out")
    if suffix_of(given) == suffix_of(target) and suffix_of(given) in known_suffixes() and not is_film(given) and (why := why_not(given)):
        return Job(given, None, why, "left out")
    return Job(given, target)


def _pairs(inputs: Sequence[Path], out: Path) -> Iterator[Job]:
    for given in inputs:
        if not given.is_dir():
            yield _only(given, out / given.name)
            continue
        for path, error in walk(given, out):
            yield Job(path, None, error, "failed") if error else _member(path, out / path.relative_to(given))


def _member(path: Path, target: Path) -> Job:
    """The job of a file that was found in a folder."""
    why = "" if is_film(path) and not path.name.startswith("._") else why_not(path)
    job = Job(path, None, why, "left out") if why else _only(path, target)
    return replace(job, refused="failed") if job.refused == "wrong use" else job


def walk(folder: Path, out: Path) -> Iterator[tuple[Path, str]]:
    """Files below a folder, in order, each with an error or nothing; the output folder is left out.

    What is no file is told with an error: a folder that cannot be read, and a link back to a folder above.
    """
    yield from _walk(folder, folder, out, frozenset())


def _walk(folder: Path, root: Path, out: Path, above: frozenset[str]) -> Iterator[tuple[Path, str]]:
    real = os.path.realpath(folder)
    if real in above:
        yield folder, "the link leads back to a folder that holds it"
        return
    if real == os.path.realpath(out) and folder != root:
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        yield folder, f"cannot read the folder: {error.strerror}"
        return
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry, root, out, above | {real})
        else:
            yield entry, ""


def run_job(
    job: Job,
    engine: "Anonymizer",
    seed: int | None,
    overwrite: bool = False,
    span: "Span | None" = None,
    progress: Callable[[int, int], None] | None = None,
    given: "Given | None" = None,
) -> FileResult:
    """Handle one file; what goes wrong with it is in the result and never an exception.

    Args:
        job: from `plan`.
        engine: anonymizes the frames.
        seed: of this file; None for a fresh one. All frames of an animation share it.
        overwrite: whether an existing target may be replaced.
        span: of a film, which part, and what of its sound.
        progress: called with the number of written frames of a film, and of those to expect.
        given: what is known of the file.
    """
    given = given or Given(job.source.name)
    if job.target is None:
        return refused(job)
    try:
        if is_film(job.source):
            from deid.video.pipeline import anonymize_video

            known: dict[str, Any] = {"span": span, "seed": seed, "overwrite": overwrite, "progress": progress, "record": given.record}
            film = anonymize_video(job.source, job.target, engine, boxes=given.boxes, selection=given.selection, **known)
            error = film.problem and f"written as far as it could be read: {film.problem}"
            return FileResult(job.source, job.target, error, film=film)
        picture = codec.read(job.source, engine.options.max_pixels)
        edited, frames = anonymize_given(picture, engine, seed, given)
        data = codec.encode(edited, _format(job.source, job.target))
        codec.write(data, job.target, overwrite)
    except (DataError, DependencyError, ImageError, VideoError) as failure:
        return FileResult(job.source, error=str(failure))
    except Exception as failure:
        # One bad photo must not cost the rest; nothing has been written for it.
        return FileResult(job.source, error=f"{type(failure).__name__}: {failure}")
    return FileResult(job.source, job.target, frames=frames, changes=picture.notes)


def refused(job: Job) -> FileResult:
    """The result of a job that was not begun."""
    return FileResult(job.source, error=job.error, left_out=job.refused == "left out")


def still_there(result: FileResult) -> FileResult:
    """A result, failed when its output is gone: a folder that is taken away in mid-run costs what was in it."""
    if result.target is None or result.target.exists():
        return result
    return replace(result, target=None, error=f"{result.target} is gone: it was taken away while the run went on")


def anonymize(
    picture: Picture, engine: "Anonymizer", seed: int | None, detections: Sequence[Detection] | None = None
) -> tuple[Picture, tuple[ImageResult, ...]]:
    """A picture without its people, and one result per frame.

    Args:
        picture: from `deid.imaging.codec`.
        engine: anonymizes the frames.
        seed: None for a fresh one. All frames of an animation share it.
        detections: faces that are known already, in every frame; the engine's option ``boxes`` says whether there may be others.
    """
    first = known.process(engine, picture.frames[0].rgb, detections, seed)
    frames = (first, *(known.process(engine, f.rgb, detections, first.seed) for f in picture.frames[1:]))
    return picture.with_frames([f.image for f in frames]), frames


def anonymize_given(picture: Picture, engine: "Anonymizer", seed: int | None, given: "Given") -> tuple[Picture, tuple[ImageResult, ...]]:
    """The same where boxes may be given for every frame, which stand in for the first detection.

    Raises:
        DataError: the boxes, or a mask, are of another picture.
    """
    results: list[ImageResult] = []
    frames: Sequence[BoxedFrame | None] = [None] * len(picture.frames)
    if given.boxes is not None:
        height, width = picture.frames[0].rgb.shape[:2]
        frames = given.boxes.sized((width, height)).frames
        if len(frames) != len(picture.frames):
            raise DataError(f"the boxes of {given.boxes.name} are of {len(frames)} frames, the file has {len(picture.frames)}")
    told: dict[str, Any] = {} if given.selection is None else {"selection": given.selection}
    for frame, boxes in zip(picture.frames, frames, strict=True):
        seed = results[0].seed if results else seed
        if boxes is None:
            results.append(engine.process(frame.rgb, None, seed, **told))
        else:
            results.append(known.process_boxes(engine, frame.rgb, boxes.boxes, seed, given.selection, given.only))
    return picture.with_frames([r.image for r in results]), tuple(results)


def _format(source: Path, target: Path) -> str | None:
    """The format of a target whose suffix differs from its source's; None for the source's own."""
    if source.suffix.lower() == target.suffix.lower():
        return None
    return PillowImage.registered_extensions().get(target.suffix.lower())


def seed_of(seed: int | None, index: int) -> int | None:
    """The seed of the file with that place in the order, from the run's one; None stays None."""
    return None if seed is None else int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])
