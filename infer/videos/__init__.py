"""Which video a question means, its file, and frames of it as files."""
