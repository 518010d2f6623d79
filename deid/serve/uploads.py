"""Files that are sent: where they are kept, and what a refusal says."""

from dataclasses import dataclass
from pathlib import Path

from deid.core import seeds
from deid.core.errors import DeidError

#: The kinds of files in words; the REST interface has called a video `film` from its beginning.
IN_WORDS = {"photo": "photo", "film": "video"}


class RefusedError(DeidError):
    """A request cannot be done; nothing was changed."""


class TooLargeError(RefusedError):
    """It is over a limit."""


class NotThereError(RefusedError):
    """No such session or file, or not yet."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent.

    Args:
        path: where its bytes are; a name of ours.
        name: what the client called it; shown and never opened.
        folder: private to this file.
        seed: what new faces are drawn from, as `deid run --seed` takes it.
    """

    path: Path
    name: str
    folder: Path
    seed: int = 0

    @property
    def file_seed(self) -> int:
        """The seed of the file: `deid run` draws it so for a single one."""
        return seeds.seed_of(self.seed, 0)

    @property
    def result(self) -> Path:
        """Where the saved file is, of the same kind as the upload."""
        return self.folder / f"result{self.path.suffix}"

    def in_words(self, error: BaseException) -> str:
        """An error in words, with the client's name in place of ours."""
        text = str(error) or type(error).__name__
        return text.replace(str(self.path), self.name).replace(str(self.folder), "")
