"""Our exceptions. Each carries a reason from one closed list, and the reason carries the HTTP status."""

from scaler.model.reasons import HTTP_STATUS, ErrorReason


class AlertscaleError(Exception):
    """The root of everything that we raise; ``str()`` is a sentence for a person."""

    reason = ErrorReason.INTERNAL

    @property
    def told(self) -> str:
        """The sentence with the word that it can be looked up by."""
        return f"{self} ({self.reason})"

    @property
    def status(self) -> int:
        """The HTTP status of the answer to a request that failed so."""
        return HTTP_STATUS.get(self.reason, 500)


class FaultsError(AlertscaleError):
    """Several things that cannot be read, all of them at once.

    Attributes:
        faults: one sentence each: the name, the value and what is allowed.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class SettingsError(FaultsError):
    """Environment variables that cannot be read."""

    reason = ErrorReason.SETTINGS


class LabelError(FaultsError):
    """Labels of one service that cannot be read."""

    reason = ErrorReason.LABELS


class RequestError(AlertscaleError):
    """A request that will never be right, however often it is sent again."""

    def __init__(self, message: str, *, reason: ErrorReason = ErrorReason.BAD_REQUEST) -> None:
        super().__init__(message)
        self.reason = reason


class UnavailableError(AlertscaleError):
    """A request that may be right later."""

    def __init__(self, message: str, *, reason: ErrorReason = ErrorReason.ENGINE_UNAVAILABLE) -> None:
        super().__init__(message)
        self.reason = reason


class TargetError(AlertscaleError):
    """The engine did not do what was asked of it.

    ``reason`` tells who can mend it: ``engine_unavailable`` passes by itself, the others need a person.
    """

    def __init__(self, message: str, *, reason: ErrorReason = ErrorReason.ENGINE_REFUSED) -> None:
        super().__init__(message)
        self.reason = reason


class StepError(AlertscaleError):
    """A step that cannot be finished and has to be undone."""

    def __init__(self, message: str, *, reason: ErrorReason) -> None:
        super().__init__(message)
        self.reason = reason


class BalancerError(AlertscaleError):
    """nginx refused its new configuration or did not take it; it goes on with the one it has."""

    def __init__(self, message: str, *, reason: ErrorReason) -> None:
        super().__init__(message)
        self.reason = reason


class JournalError(AlertscaleError):
    """The journal could not be written or read, so nothing may be changed."""

    reason = ErrorReason.JOURNAL
