"""The ground floor, which knows videos: frames in, unit vectors on disk."""
