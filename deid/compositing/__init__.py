"""Compositing: a new face becomes part of the photo without a visible border."""
