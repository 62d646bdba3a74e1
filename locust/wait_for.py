"""`python wait_for.py URL`: return once the URL answers 200; say every few seconds what it waits for."""

import http.client
import sys
import time
import urllib.error
import urllib.request

_PAUSE_SECONDS = 1.0
_SAY_EVERY = 5


def why_not_ready(url: str) -> str:
    """Return why the URL cannot be used yet, or an empty string when it answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - the operator's own URL
            return "" if response.status == http.HTTPStatus.OK else f"it answered {response.status}"
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return str(error)


def main() -> None:
    """Wait for the URL on the command line."""
    url = sys.argv[1]
    attempt = 0
    while reason := why_not_ready(url):
        if attempt % _SAY_EVERY == 0:
            sys.stderr.write(f"waiting for {url} to answer 200: {reason}\n")
        attempt += 1
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main()
