"""Records of JSON, JSON lines, CSV and Parquet files, read and held in bounded memory."""
