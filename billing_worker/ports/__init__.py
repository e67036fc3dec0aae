"""The protocols through which use cases reach the outside, one file per subject, each with its records.

Use cases take `ports` (`bundle.py`) as their first argument and use nothing else from outside: no SQL, no HTTP, no
clock of their own. Tests pass real adapters and replace one of them.
"""
