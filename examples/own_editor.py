"""An editor of one's own: anything with a name and an `edit` method that proposes new faces.

    python examples/own_editor.py

Its proposals must pass the gate like all others. This editor only mirrors the face, and recognisers still identify it. So the result is a
cover, and its field `why` says so.
"""

import numpy as np
from PIL import Image
from skimage import data

import deid
from deid.core.types import AlignedFace, EditedFace


class MirrorEditor:
    """The same face with left and right changed."""

    name = "mirror"

    def edit(self, face: AlignedFace, attributes: np.ndarray, strength: float = 1.0) -> list[EditedFace]:
        """One proposal for a crop (128, 128, 3); it has no attributes to set."""
        return [EditedFace(np.ascontiguousarray(face.crop[:, ::-1]), self.name, None, strength)]


if __name__ == "__main__":
    engine = deid.Anonymizer(editor=MirrorEditor())
    result = engine.process(data.astronaut())
    for face in result.faces:
        print(face.method, face.status, *face.why, sep="\n  ")
    Image.fromarray(result.image).save("own_editor.png")
    print("own_editor.png")
