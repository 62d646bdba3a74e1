"""Every closed list of words that the API, the log and the metric labels share.

A word that is not here never becomes a metric label, so the number of series is bounded by this page.
"""

from enum import StrEnum


class ErrorReason(StrEnum):
    """Why something could not be done; also the ``reason`` label of ``alertscale_errors_total``."""

    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    NO_TOKEN = "no_token"  # noqa: S105 - a reason, not a secret
    NOT_FOUND = "not_found"
    OUT_OF_BOUNDS = "out_of_bounds"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    SETTINGS = "settings"
    LABELS = "labels"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    ENGINE_REFUSED = "engine_refused"
    CANNOT_CLONE = "cannot_clone"
    MODEL_GONE = "model_gone"
    OVERTAKEN = "overtaken"
    CANNOT_PLACE = "cannot_place"
    STANDBY = "standby"
    IMAGE_GONE = "image_gone"
    NETWORK_GONE = "network_gone"
    PORT_TAKEN = "port_taken"
    OUT_OF_MEMORY = "out_of_memory"
    NOT_READY = "not_ready"
    REPLICA_EXITED = "replica_exited"
    CONFIG_TEST_FAILED = "config_test_failed"
    RELOAD_FAILED = "reload_failed"
    JOURNAL = "journal"
    STOPPING = "stopping"
    INTERNAL = "internal"


HTTP_STATUS: dict[ErrorReason, int] = {
    ErrorReason.BAD_REQUEST: 400,
    ErrorReason.UNAUTHORIZED: 401,
    ErrorReason.NOT_FOUND: 404,
    ErrorReason.OUT_OF_BOUNDS: 409,
    ErrorReason.LABELS: 409,
    ErrorReason.TOO_LARGE: 413,
    ErrorReason.NOT_JSON: 415,
    ErrorReason.NO_TOKEN: 503,
    ErrorReason.ENGINE_UNAVAILABLE: 503,
    ErrorReason.JOURNAL: 503,
    ErrorReason.STOPPING: 503,
    ErrorReason.STANDBY: 503,
}
"""The status that answers a request which failed for that reason; 500 for the others."""


class DecisionReason(StrEnum):
    """Why the policy steps or holds; also the ``reason`` label of ``alertscale_decisions_total``."""

    PAUSED = "paused"
    RETIRE = "retire"
    DEPLOYING = "deploying"
    STOPPED = "stopped"
    STEPPING = "stepping"
    BACKOFF = "backoff"
    JOURNAL = "journal"
    BELOW_MIN = "below_min"
    ABOVE_MAX = "above_max"
    MANUAL = "manual"
    ALERT_UP = "alert_up"
    RESTORE = "restore"
    AT_MAX = "at_max"
    UP_COOLDOWN = "up_cooldown"
    ALERT_DOWN = "alert_down"
    AT_MIN = "at_min"
    DOWN_COOLDOWN = "down_cooldown"
    BLIND = "blind"
    NOT_ALL_LOW = "not_all_low"
    STEADY = "steady"


class AlertResult(StrEnum):
    """What became of one alert of a notification."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"


class IgnoredReason(StrEnum):
    """Why an alert that asks for a step is not acted on."""

    UNKNOWN_SERVICE = "unknown_service"
    NOT_ENABLED = "not_enabled"
    LABEL_FAULT = "label_fault"
    NO_SERVICE = "no_service"
    BAD_SCALE = "bad_scale"
    NO_RESOURCE = "no_resource"
    AMBIGUOUS_SERVICE = "ambiguous_service"


class Direction(StrEnum):
    """Which way a step goes; the words of an alert's ``scale`` label."""

    UP = "up"
    DOWN = "down"


class Pause(StrEnum):
    """Which steps are held by a person."""

    NONE = "none"
    UP = "up"
    DOWN = "down"
    ALL = "all"


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"


class ReloadOutcome(StrEnum):
    """How a change of nginx's upstreams ended."""

    RELOADED = "reloaded"
    WRITTEN = "written"
    STARTING = "starting"
    TEST_FAILED = "test_failed"
    RELOAD_FAILED = "reload_failed"


class ReplicaState(StrEnum):
    """Where a replica stands; the ``state`` label of ``alertscale_replicas``."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


class Phase(StrEnum):
    """The steps of a step, each journalled before it is taken."""

    CREATE = "create"
    START = "start"
    READY = "ready"
    DRAIN = "drain"
    STOP = "stop"
    REMOVE = "remove"


class EventKind(StrEnum):
    """What an entry of the history tells."""

    STARTED = "started"
    ALERT = "alert"
    DECISION = "decision"
    STEP = "step"
    RELOAD = "reload"
    REPLICA = "replica"
    MANUAL = "manual"
    FAULT = "fault"
