"""Puts a new face into the photo so that no one sees where it begins."""
