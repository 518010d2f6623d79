"""Metrics: pure functions of arrays, with formula, direction and origin."""
