"""A page on this machine, and the same as a REST interface: look, correct, and only then save."""
