"""Question files as people bring them: the known sets, other names of fields, labels apart."""
