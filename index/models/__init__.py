"""Dual encoders: loading, preparing pictures and texts, encoding."""
