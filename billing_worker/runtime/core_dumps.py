"""No core dumps of a process that holds card data for a moment."""

import resource


def forbid_core_dumps() -> None:
    """Let the kernel write no image of this process's memory to disk, also not of its children's."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
