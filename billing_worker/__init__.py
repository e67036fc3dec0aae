"""A recurring billing worker for PortOne billing keys."""

__version__ = "0.1.0"
