"""Reading for people and programs: lists, reports, one customer as a whole, and explanations.

It only reads, and never commits. It has no wording for a single entrance.
"""
