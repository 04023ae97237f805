"""The bench of picking rules: harder scenes, a ladder of encoders, and a table."""
