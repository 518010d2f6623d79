"""Attackers, from the weakest to the strongest. None of them uses the gate of `deid`.

E. Newton, L. Sweeney, B. Malin, "Preserving Privacy by De-identifying Face Images", TKDE 2005 (naive, reverse, parrot);
J. Todt, S. Hanisch, T. Strufe, "Fantomas: Understanding Face Anonymization Reversibility", PETS 2024 (reconstruction).
"""

from collections.abc import Callable

from evaluation.attacks.case import Attack, Case
from evaluation.attacks.context import context
from evaluation.attacks.naive import naive
from evaluation.attacks.parrot import parrot
from evaluation.attacks.reconstruction import reconstruction
from evaluation.attacks.reverse import reverse

__all__ = ["ATTACKS", "Attack", "Case"]

#: Builders by name.
ATTACKS: dict[str, Callable[[Case], Attack]] = {
    "naive": naive,
    "reverse": reverse,
    "parrot": parrot,
    "reconstruction": reconstruction,
    "context": context,
}
