"""What the loop knows at this moment, shared with the steps that wait for it to change."""

import threading
from collections.abc import Callable
from dataclasses import replace

from scaler.model.view import View


class World:
    """The current view, replaced as a whole; safe for several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._view = View()

    @property
    def view(self) -> View:
        """The current view."""
        with self._changed:
            return self._view

    def update(self, **changes: object) -> View:
        """Replace some fields of the view and wake whoever waits; return the new view."""
        with self._changed:
            self._view = replace(self._view, **changes)  # type: ignore[arg-type]
            self._changed.notify_all()
            return self._view

    def mark_draining(self, replica: str) -> None:
        """Take a replica out of the traffic, from the next pass of the loop on."""
        with self._changed:
            self._view = replace(self._view, draining=self._view.draining | {replica})
            self._changed.notify_all()

    def mark_preparing(self, replica: str) -> None:
        """Keep a replica out of the traffic, ready or not, until :meth:`unmark_preparing`."""
        with self._changed:
            self._view = replace(self._view, preparing=self._view.preparing | {replica})

    def unmark_preparing(self, replica: str) -> None:
        """Let a replica into the traffic once it is ready, or forget one that is gone."""
        with self._changed:
            self._view = replace(self._view, preparing=self._view.preparing - {replica})
            self._changed.notify_all()

    def mark_stopping(self, replica: str) -> None:
        """Somebody has asked a replica to stop: no traffic, from the next pass of the loop on."""
        with self._changed:
            self._view = replace(self._view, stopping=self._view.stopping | {replica})
            self._changed.notify_all()

    def unmark_stopping(self, *replicas: str) -> None:
        """They are gone, were started anew, or go on: let them back into the traffic."""
        with self._changed:
            self._view = replace(self._view, stopping=self._view.stopping - frozenset(replicas))
            self._changed.notify_all()

    def unmark_draining(self, replica: str) -> None:
        """Let a replica back into the traffic, or forget one that is gone."""
        with self._changed:
            view = self._view
            self._view = replace(view, draining=view.draining - {replica}, let_go=view.let_go - {replica})
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[View], bool], *, timeout: float) -> bool:
        """Wait until a condition on the view holds; tell whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self._view), timeout)
