"""What is wrong with a questions file for an encoder and an index, and what to do."""
