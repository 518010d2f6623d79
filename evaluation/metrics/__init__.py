"""Pure functions of arrays. Each says its formula, its direction and where it comes from."""
