"""Naive: the gallery holds untouched photos, the probe is de-identified."""

from evaluation.attacks.case import Attack, Case, Search


def naive(case: Case) -> Attack:
    """What most papers measure, and the weakest attack: the recogniser knows nothing of the method."""
    test = case.test
    floor, blank = Search(test.before, test.covered), Search(test.before, test.blank)
    return Attack("naive", Search(test.before, test.after), Search(test.before, test.before), floor, blank)
