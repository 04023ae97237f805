"""Weights between those of two models."""
