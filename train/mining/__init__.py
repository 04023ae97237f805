"""True frames and negatives of labelled questions, each video decoded once."""
