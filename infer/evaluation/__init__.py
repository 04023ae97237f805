"""Evaluation of picks and answers: baselines, tables, intervals, leak check."""
