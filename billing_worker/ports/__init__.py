"""What the use cases ask of the outside, as protocols, by subject; each with the records that it hands out.

Use cases take `ports` (`bundle.py`) as their first argument and see nothing else of the world: no SQL, no HTTP, no
clock of their own. Tests hand them real adapters with one of them replaced.
"""
