"""The one error of this package."""


class RuntimeProblem(Exception):
    """A server or process cannot run here; the message is one line with the problem and the way out."""
