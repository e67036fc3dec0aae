"""What every part of the settings is named by."""

PREFIX = "BILLING_"
ENV_FILE = ".env"


def listed(value: object) -> object:
    """The parts of a comma-separated text; anything else as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
