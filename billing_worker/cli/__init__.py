"""The `billing-worker` command. `main` is its door, `commands` the list of what it offers."""
