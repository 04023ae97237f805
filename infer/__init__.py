"""The middle floor, which knows questions: vectors in, picked frames out."""
