"""Naive: the gallery holds untouched photos, the probe is de-identified."""

from evaluation.attacks.case import Attack, Case, Search


def naive(case: Case) -> Attack:
    """What most papers measure, and the weakest attack: the recogniser knows nothing of the method."""
    test = case.test
    return Attack("naive", Search(test.before, test.after), Search(test.before, test.before), Search(test.before, test.covered))
