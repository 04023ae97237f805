"""Video files in, frames with their times out; in separate processes."""
