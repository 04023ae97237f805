"""The demo's data set and encoder: drawn scenes with questions about them, and a tiny CLIP."""
