"""Boxes of faces in files: what `deid find` writes, and what people correct and give back."""
