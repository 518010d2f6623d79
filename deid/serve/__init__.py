"""A page on this machine, and the same as a REST interface: look at what was done, correct it, and only then save it."""
