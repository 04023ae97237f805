"""What the demo draws and makes: scenes with questions about them, and a tiny encoder."""
