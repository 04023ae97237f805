"""Bulk answering: from questions to picks, readers' answers, the run's log and its files."""
