"""Pairs of a text and its translation, and which texts are worth translating."""
