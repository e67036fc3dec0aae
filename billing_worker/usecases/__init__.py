"""What the worker does: one verb a file. Jobs share one shape: `due(ports, limit) -> ids` and `verb(ports, id)`."""
