"""Readers, which answer a choice from frames: by the index's vectors or a vision-language model."""
