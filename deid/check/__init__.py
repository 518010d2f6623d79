"""Whether a tool's output protects the people of its input: pairs of files in, findings and a verdict out."""
