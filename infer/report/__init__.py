"""The report, an HTML page: each question's score curve, its picks and the true frames."""
