"""Texts of questions and choices, cleaned before anything reads them."""
