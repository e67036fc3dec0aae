"""Declines: what the PG's own code and words mean, and what helps."""
