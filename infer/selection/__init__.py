"""Choice of K frames of a video: scores of each frame for each question, and strategies."""
