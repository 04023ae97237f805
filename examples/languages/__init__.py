"""What a text encoder of another language is worth: the bench of languages."""
