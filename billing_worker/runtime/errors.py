"""The one error of this package."""


class RuntimeProblem(Exception):
    """A server or process cannot run here; the message is one line that names what is wrong and the way out."""
