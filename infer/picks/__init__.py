"""Frames that other tools picked: their files, the candidates without an index, their figures."""
