"""Ask a gateway whether it is a sandbox. A fast clock must never move real money."""

import httpx

from billing_worker.domain.errors import Unavailable

TIMEOUT = 3.0


def is_sandbox(base_url: str) -> bool:
    """Ask the gateway for the sandbox's marker. Raises Unavailable when no server answers."""
    try:
        with httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client:
            answer = client.get(base_url.rstrip("/") + "/_sandbox")
        content = answer.json() if answer.is_success else None
    except (ValueError, RecursionError):
        return False
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"BILLING_PORTONE_API_URL: nothing answers at {base_url} ({type(error).__name__})") from error
    return isinstance(content, dict) and content.get("sandbox") == "billing-worker"
