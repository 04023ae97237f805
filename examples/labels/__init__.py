"""How many labelled questions training needs, and what its parts bring."""
