"""One hypothesis profile for the rules: the same examples on every machine and in every run."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "domain",
    derandomize=True,
    database=None,
    deadline=None,  # two busy cores must not turn a slow example into a failure
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("domain")
