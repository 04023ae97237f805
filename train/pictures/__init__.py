"""Pictures as the model's input: prepared once, kept on disk, read from there in every step."""
