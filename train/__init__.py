"""The top floor, which knows labels: questions with known answers in, a better encoder out."""
