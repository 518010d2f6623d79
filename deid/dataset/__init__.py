"""Whole data sets: every file accounted for, resumable, on one machine or on many."""
