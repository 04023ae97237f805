"""Labels for questions without any, by heads that learned from labelled ones."""
