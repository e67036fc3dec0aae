"""The names shared by all parts of the settings."""

PREFIX = "BILLING_"
ENV_FILE = ".env"


def listed(value: object) -> object:
    """The parts of a comma-separated text; any other value unchanged."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
