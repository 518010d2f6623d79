"""Calibration of an embedder's threshold: one of a thousand pairs of strangers is closer.

    python -m deid.training.calibrate --data DIR --cache DIR [--embedder dlib_resnet]

reads LFW and its `lfw-pairs.txt` (View 2). G. Huang et al., "Labeled Faces in the Wild", 2007. The threshold is set on
strangers alone, and on all pairs of different people among the photos of the pairs file: the 2 400 that it lists would
leave 2.4 of them under a rate of 1e-3.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DataError
from deid.core.types import Embeddings
from deid.recognition import EMBEDDERS, build_embedder
from deid.training.data import load

FMR = 1e-3
_CHUNK = 512


def read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """The two file names of every pair of a View 2 file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        lines = path.read_text().splitlines()[1:]
    except OSError as error:
        raise DataError(f"cannot read {path.name}: {error.strerror}") from error
    for line in lines:
        words = line.split("\t") if "\t" in line else line.split()
        if len(words) == 3:
            yield f"{words[0]}_{int(words[1]):04d}.jpg", f"{words[0]}_{int(words[2]):04d}.jpg"
        elif len(words) == 4:
            yield f"{words[0]}_{int(words[1]):04d}.jpg", f"{words[2]}_{int(words[3]):04d}.jpg"


def stranger_threshold(embeddings: Embeddings, identities: NDArray[np.str_], fmr: float = FMR) -> tuple[float, int]:
    """L2 distance under which a share ``fmr`` of all pairs of different people lies, and the number of those pairs."""
    distances = []
    for start in range(0, len(embeddings), _CHUNK):
        rows = slice(start, start + _CHUNK)
        cosine = embeddings[rows] @ embeddings.T
        later = np.arange(len(embeddings))[None] > np.arange(start, start + len(cosine))[:, None]
        strangers = (identities[rows, None] != identities[None]) & later
        distances.append(np.sqrt(np.maximum(2 - 2 * cosine[strangers], 0)))
    every = np.concatenate(distances)
    return float(np.quantile(every, fmr)), len(every)


def main() -> None:
    """Print the threshold and what it does to the mated pairs, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--embedder", default="dlib_resnet", choices=sorted(EMBEDDERS))
    arguments = parser.parse_args()
    pairs = list(read_pairs(arguments.data / "lfw-pairs.txt"))
    faces = load(arguments.data, arguments.cache)
    faces = faces.where(np.isin(faces.names, list({name for pair in pairs for name in pair})) & (faces.sources == "lfw"))
    embeddings = build_embedder(arguments.embedder).embed(faces.crops)
    threshold, n = stranger_threshold(embeddings, faces.identities)
    row = {name: i for i, name in enumerate(faces.names)}
    mated = [(row[a], row[b]) for a, b in pairs if a in row and b in row and faces.identities[row[a]] == faces.identities[row[b]]]
    first, second = (embeddings[[pair[k] for pair in mated]] for k in (0, 1))
    fnmr = float((np.linalg.norm(first - second, axis=1) > threshold).mean())
    print(
        json.dumps(
            {
                "embedder": arguments.embedder,
                "fmr": FMR,
                "threshold": round(threshold, 4),
                "strangers": n,
                "mates": len(mated),
                "fnmr": round(fnmr, 4),
            }
        )
    )


if __name__ == "__main__":
    main()
