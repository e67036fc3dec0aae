"""The fields of each entity: one list per entity, with types and descriptions, for every entrance.

The command line prints a view as JSON and as text, the HTTP API returns it and describes itself by it. A new field
appears in both.
"""
