"""Reverse: the gallery is de-identified, the probe is untouched."""

from evaluation.attacks.case import Attack, Case, Search


def reverse(case: Case) -> Attack:
    """The attacker has a photo of a person and searches published, de-identified pictures for that person."""
    test = case.test
    floor, blank = Search(test.covered, test.before), Search(test.blank, test.before)
    return Attack("reverse", Search(test.after, test.before), Search(test.before, test.before), floor, blank)
