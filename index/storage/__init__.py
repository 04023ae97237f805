"""The files of an index on disk: vectors, catalog, search index; their checks and repair."""
