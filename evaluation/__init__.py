"""What a de-identified picture still gives away, and what it still is good for.

`python -m evaluation --help` lists the commands. Nothing here is imported by `deid`.
"""
