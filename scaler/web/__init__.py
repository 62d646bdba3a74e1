"""The webhook, the API and the status page."""
