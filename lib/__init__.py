"""The shared library of the companion: one idea a file, imports running downward only."""
