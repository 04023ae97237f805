"""Search across all videos of an index: what is asked, where, and what counts as found."""
