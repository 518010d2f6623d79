"""Evaluation of de-identified pictures: identity, utility and realism, for any tool's output.

`python -m evaluation --help` lists the commands. Nothing here is imported by `deid`.
"""
