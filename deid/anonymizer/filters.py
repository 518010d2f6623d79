"""The plain filters that an engine covers faces with."""

from deid.core.lazy import lazy
from deid.core.options import Options
from deid.core.protocols import Editor
from deid.core.types import Image
from deid.editing.filters import FilterEditor
from deid.imaging import codec


class Filters:
    """Gives filters by name, and reads the picture of the filter `image` once.

    Args:
        options: the filters' settings.
    """

    def __init__(self, options: Options) -> None:
        self._options = options

    @lazy
    def picture(self) -> Image | None:
        """What the filter `image` puts over a face, (H, W, 3); None where the options name no picture."""
        path = self._options.cover_image
        return codec.read(path).frames[0].rgb if path else None

    def filter(self, name: str, /) -> Editor:
        """A filter of `deid.editing.filters.FILTERS`."""
        return FilterEditor(name, self._options, self.picture if name == "image" else None)
