"""Pairs for comparison: gallery and probes, mated and non-mated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Embeddings


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A closed-set search.

    Args:
        name: description of the gallery.
        gallery: (G,) indices of faces, one a person.
        probes: (P,) indices of faces.
        own: (P,) column of each probe's person in the gallery.
    """

    name: str
    gallery: NDArray[np.int64]
    probes: NDArray[np.int64]
    own: NDArray[np.int64]


def other_photo(identities: Sequence[str]) -> Split:
    """The first photo of every person is the gallery, all others are probes.

    People with one photo stay in the gallery: the attacker does not know who is in the gallery.
    """
    first: dict[str, int] = {}
    probes, own = [], []
    for i, identity in enumerate(identities):
        if identity in first:
            probes.append(i)
            own.append(first[identity])
        else:
            first[identity] = i
    gallery = np.array(list(first.values()), np.int64)
    columns = {int(face): k for k, face in enumerate(gallery)}
    return Split("another photo", gallery, np.array(probes, np.int64), np.array([columns[i] for i in own], np.int64))


def same_photo(n: int) -> Split:
    """Every face is a probe, and the gallery holds its own untouched photo: what an image search would find."""
    every = np.arange(n)
    return Split("the same photo", every, every, every)


def score_table(gallery: Embeddings, probes: Embeddings, split: Split, identities: Sequence[str]) -> NDArray[np.float64]:
    """Cosines (P, G) of a split; other photos of the probe's own person count as nobody.

    Args:
        gallery: (N, D) embeddings of all faces as the gallery has them.
        probes: (N, D) embeddings of all faces as the probes have them.
        split: which of them are compared.
        identities: (N,) names.
    """
    scores = np.asarray(probes[split.probes], np.float64) @ np.asarray(gallery[split.gallery], np.float64).T
    names = np.asarray(identities)
    twins = names[split.probes][:, None] == names[split.gallery][None]
    twins[np.arange(len(split.own)), split.own] = False
    return np.where(twins, -np.inf, scores)


def mated_and_non_mated(
    scores: NDArray[np.float64], own: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Scores (P,) of mated pairs, scores (M,) of non-mated pairs, and the probe (M,) of each non-mated pair."""
    mine = np.zeros(scores.shape, bool)
    mine[np.arange(len(own)), own] = True
    others = ~mine & np.isfinite(scores)
    return scores[mine], scores[others], np.nonzero(others)[0]
