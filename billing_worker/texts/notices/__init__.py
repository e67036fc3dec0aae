"""Notices to customers in words: a template for each kind and language, and those that a merchant puts before them."""
