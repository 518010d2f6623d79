"""Reverse: the gallery is de-identified, the probe is untouched."""

from evaluation.attacks.case import Attack, Case, Search


def reverse(case: Case) -> Attack:
    """Somebody has a photo of a person and looks for that person in published, de-identified pictures."""
    test = case.test
    floor, blank = Search(test.covered, test.before), Search(test.blank, test.before)
    return Attack("reverse", Search(test.after, test.before), Search(test.before, test.before), floor, blank)
