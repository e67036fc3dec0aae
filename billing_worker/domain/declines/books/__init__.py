"""The code books of the PGs: what each code means. Facts, one file for each PG that publishes a book."""
