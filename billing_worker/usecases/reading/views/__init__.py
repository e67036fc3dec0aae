"""Which fields each thing shows: one list a thing, with types and descriptions, for every entrance.

The command line prints a view as JSON and as text, the HTTP API answers with it and describes itself by it. A field
that is added here is in both.
"""
