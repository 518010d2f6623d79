"""Reverse: the gallery is de-identified, the probe is untouched."""

from evaluation.attacks.case import Attack, Case, Search


def reverse(case: Case) -> Attack:
    """Somebody has a photo of a person and looks for that person in published, de-identified pictures."""
    test = case.test
    return Attack("reverse", Search(test.after, test.before), Search(test.before, test.before), Search(test.covered, test.before))
