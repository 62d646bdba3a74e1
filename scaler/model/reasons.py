"""Every closed list of words that the API, the log and the metric labels share.

A word that is not here never becomes a metric label, so the number of series is bounded by this page.
"""

from enum import StrEnum


class ErrorReason(StrEnum):
    """Why something could not be done; also the ``reason`` label of ``alertscale_errors_total``."""

    BAD_REQUEST = "bad_request"
    """The request is not of the form that the API has.

    Way out: the caller puts right what the sentence names.
    """
    UNAUTHORIZED = "unauthorized"
    """No token, or not the right one.

    Way out: the caller sends it: `docker compose exec -T scaler cat /run/alertscale/token`.
    """
    NO_TOKEN = "no_token"  # noqa: S105 - a reason, not a secret
    """The token's file is missing, empty or cannot be read, so nobody can be let in.

    Way out: the operator restarts the scaler, which makes a new one: `docker compose restart scaler`.
    """
    NOT_FOUND = "not_found"
    """There is no such service, replica or path.

    Way out: the caller takes one of those that the sentence lists.
    """
    OUT_OF_BOUNDS = "out_of_bounds"
    """The count is below `alertscale.min` or above `alertscale.max`, or no ready replica would be
    left.

    Way out: the caller asks for another count, or the operator changes the bounds.
    """
    TOO_LARGE = "too_large"
    """The body is larger than is read.

    Way out: the caller sends less at once.
    """
    NOT_JSON = "not_json"
    """The body is not declared as JSON.

    Way out: the caller sends `Content-Type: application/json`.
    """
    SETTINGS = "settings"
    """The scaler's environment cannot be read; it ends with exit code 2.

    Way out: the operator puts right each variable that is named.
    """
    LABELS = "labels"
    """Labels of the service cannot be read; it is not scaled. Or nginx cannot tell its name from
    another's; it scales, and nginx does not have it.

    Way out: the operator puts right the label or the name that is named, and runs
    `docker compose up -d` with the live count.
    """
    ENGINE_UNAVAILABLE = "engine_unavailable"
    """The Docker Engine does not answer.

    Way out: it passes by itself when the engine answers again.
    """
    ENGINE_REFUSED = "engine_refused"
    """The Docker Engine refused, for a reason that none of the other words covers.

    Way out: the operator sees to what the engine's own words name.
    """
    CANNOT_CLONE = "cannot_clone"
    """The service's definition has no second copy: a fixed host port, `container_name` (or a container that
    somebody has renamed), a static address, the network of the host or of another service, a namespace of a
    container that is gone, or on Swarm a global service or a job. Or it has hooks, and nobody can tell which.

    Way out: the operator takes out of the definition what is named.
    """
    MODEL_GONE = "model_gone"
    """The replica to be copied went away before it was read; nothing was made.

    Way out: it passes by itself: the loop decides anew.
    """
    OVERTAKEN = "overtaken"
    """Somebody else changed the count, or took the lease, at the same moment; nothing was changed. Or
    a step under way would not be taken any more; it is undone.

    Way out: it passes by itself: the loop decides anew.
    """
    CANNOT_PLACE = "cannot_place"
    """On Swarm: no node can take another replica; the count is taken back.

    Way out: the operator makes room on the nodes, or relaxes reservations and constraints.
    """
    STANDBY = "standby"
    """On Swarm: this scaler does not act, and the one that does is not known or does not answer.

    Way out: it passes by itself when a scaler has the lease; ask again.
    """
    IMAGE_GONE = "image_gone"
    """The image of the replicas is not on the machine any more.

    Way out: the operator brings it back: `docker compose pull` or `build`, then `up -d`.
    """
    NETWORK_GONE = "network_gone"
    """A network of the service was removed.

    Way out: the operator makes it anew: `docker compose up -d --force-recreate` and the service's
    name.
    """
    PORT_TAKEN = "port_taken"
    """Each host port of the service's range is taken.

    Way out: the operator frees one, or widens the range.
    """
    OUT_OF_MEMORY = "out_of_memory"
    """The kernel killed the replica for its memory limit.

    Way out: the operator raises the service's memory limit.
    """
    NOT_READY = "not_ready"
    """A new replica was not ready within `alertscale.ready-timeout`; it was removed.

    Way out: the operator looks at `alertscale.ready` and the last lines of its log, which
    `alertscale explain` shows.
    """
    REPLICA_EXITED = "replica_exited"
    """A new replica ended before it was ready; it was removed.

    Way out: the operator looks at the exit code that is named and the last lines of its log, which
    `alertscale explain` shows.
    """
    HOOK_FAILED = "hook_failed"
    """A `post_start` failed or took longer than `alertscale.ready-timeout`, and the new replica was
    removed; or a `pre_stop` failed, and the replica was not stopped.

    Way out: the operator puts right the hook that is named, with what it printed.
    """
    CONFIG_TEST_FAILED = "config_test_failed"
    """`nginx -t` refused a site or an upstream, and goes on without it; or all of the new
    configuration, and goes on with that of before.

    Way out: the operator puts right the file that nginx names; it is tried again by itself.
    """
    RELOAD_FAILED = "reload_failed"
    """nginx could not be reloaded or given its upstreams; it goes on with those of before.

    Way out: the operator looks at nginx's log and the disk of its upstreams; it is tried again by
    itself.
    """
    JOURNAL = "journal"
    """The journal cannot be written or read, so nothing is changed; or it was set aside at the start.

    Way out: the operator makes room on its disk; it then goes on by itself. One that is damaged is set aside
    by a restart.
    """
    STOPPING = "stopping"
    """The scaler is being stopped; a step is left for its next start.

    Way out: it passes by itself with the next start.
    """
    INTERNAL = "internal"
    """A fault in alertscale itself; the log has the details.

    Way out: the operator reports it with the log's lines.
    """


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
    """The direction, or every step, is held by `alertscale.pause` or by a person."""
    RETIRE = "retire"
    """A deploy asked to take certain replicas away, and others stay: all of them leave at once."""
    DEPLOYING = "deploying"
    """Replicas of more than one version run: a deploy is under way, or broke off."""
    GONE = "gone"
    """The service was there and has no container any more: it is shown for a quarter of an hour, and
    then forgotten."""
    STOPPED = "stopped"
    """No replica runs: somebody stopped the service."""
    STEPPING = "stepping"
    """A step is under way."""
    BACKOFF = "backoff"
    """Steps that way have failed or been undone lately, or a replica has just died or been asked to
    stop: the next try waits."""
    LAST_READY = "last_ready"
    """A step down is due, but it might take the last replica that is ready: one of the others has
    to be ready first."""
    JOURNAL = "journal"
    """A step is due, but the journal cannot be written, and no step is taken without it."""
    BELOW_MIN = "below_min"
    """Fewer than `alertscale.min`: up, without cooldown."""
    ABOVE_MAX = "above_max"
    """More than `alertscale.max`: down, without cooldown."""
    MANUAL = "manual"
    """A person asked for a count: towards it, without cooldown."""
    ALERT_UP = "alert_up"
    """An `up` alert fires: up."""
    RESTORE = "restore"
    """An `up` alert fires, and somebody else has set the count back lately: back to the former
    count at once."""
    AT_MAX = "at_max"
    """An `up` alert fires, but `alertscale.max` is reached."""
    UP_COOLDOWN = "up_cooldown"
    """An `up` alert fires, but the last change is too recent for `alertscale.cooldown.up`."""
    NOT_HELPED = "not_helped"
    """An `up` alert for memory fires, but the last step up for it did not lower it: adding does not
    help. It is tried again when memory has fallen or grown clearly, or all replicas are new. It holds, too,
    while Prometheus, which alone knows, does not answer."""
    ALERT_DOWN = "alert_down"
    """A `down` alert fires for every resource: down."""
    AT_MIN = "at_min"
    """Everything is low, but `alertscale.min` is reached."""
    DOWN_COOLDOWN = "down_cooldown"
    """Everything is low, but the last change is too recent for `alertscale.cooldown.down`."""
    BLIND = "blind"
    """Alerts do not reach the scaler (no Watchdog, or Prometheus does not answer), so nothing is
    removed."""
    NOT_ALL_LOW = "not_all_low"
    """A `down` alert fires, but not for every resource of `alertscale.resources`."""
    NOT_NAMED = "not_named"
    """An `up` alert fires, but for a resource that `alertscale.resources` does not name."""
    ENDED = "ended"
    """An alert asks for a step, but its source says that it fires no longer: its rule was edited, or
    its end has not arrived yet."""
    STEADY = "steady"
    """No alert asks for a step."""


class AlertResult(StrEnum):
    """What became of one alert of a notification."""

    ACCEPTED = "accepted"
    """Taken note of: it counts while it is repeated, or is recorded where it asks for no step."""
    IGNORED = "ignored"
    """Recorded and shown, never acted on; its reason says why."""


class IgnoredReason(StrEnum):
    """Why an alert that asks for a step is not acted on."""

    UNKNOWN_SERVICE = "unknown_service"
    """There is no service of that name on this engine: put the name of one into the alert's label
    `service`."""
    NOT_ENABLED = "not_enabled"
    """The service does not carry `alertscale.enable: "true"`: put it there, if it is to scale."""
    LABEL_FAULT = "label_fault"
    """The service's labels cannot be read: put right the one that the status page names."""
    NO_SERVICE = "no_service"
    """The alert has `scale` but no label `service`: give the rule one."""
    BAD_SCALE = "bad_scale"
    """The label `scale` is neither `up` nor `down`."""
    NO_RESOURCE = "no_resource"
    """The alert has `scale` but no label `resource`: give the rule one, such as `cpu`."""
    AMBIGUOUS_SERVICE = "ambiguous_service"
    """Several projects have a service of that name, and none is ours: give the rule a label
    `project`."""


class Direction(StrEnum):
    """Which way a step goes; the words of an alert's ``scale`` label."""

    UP = "up"
    """More replicas."""
    DOWN = "down"
    """Fewer replicas."""


class Pause(StrEnum):
    """Which steps a person holds."""

    NONE = "none"
    """No step is held."""
    UP = "up"
    """Steps up are held."""
    DOWN = "down"
    """Steps down are held."""
    ALL = "all"
    """All steps are held."""


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    """It is finished."""
    FAILED = "failed"
    """It could not be finished; what was made of it is removed again."""
    UNDONE = "undone"
    """Nothing was changed: its replica, or the one to copy, was gone, somebody else changed the
    count, or it would not have been taken any more while it waited."""


class ReloadOutcome(StrEnum):
    """How a change of nginx's upstreams ended."""

    RELOADED = "reloaded"
    """nginx serves with the new upstreams."""
    WRITTEN = "written"
    """nginx does not run: the upstreams are written for its next start."""
    STARTING = "starting"
    """nginx is just starting: tried again within moments, and not told in the history."""
    HELD = "held"
    """nginx has many old workers, and nothing that is urgent: tried again within seconds, and not told in the
    history."""
    TEST_FAILED = "test_failed"
    """`nginx -t` refused them, and the old ones serve; or a site or one of them, and it is left out."""
    RELOAD_FAILED = "reload_failed"
    """nginx could not be reloaded or given them; the old ones serve."""


class ReplicaState(StrEnum):
    """Where a replica stands; the ``state`` label of ``alertscale_replicas``."""

    STARTING = "starting"
    """It runs and does not say that it is ready: no traffic."""
    READY = "ready"
    """It is ready: nginx sends it requests."""
    DRAINING = "draining"
    """It finishes what it has, and gets nothing new."""
    FAILED = "failed"
    """It has ended: no traffic."""


class Light(StrEnum):
    """How a station on the way of an alert does."""

    OK = "ok"
    """It has given proof of life lately."""
    DOWN = "down"
    """It has given none lately, or says that something is wrong."""
    UNKNOWN = "unknown"
    """Nobody can tell now: only Prometheus would know, and it is silent."""


class Phase(StrEnum):
    """The steps of a step, each journalled before it is taken."""

    CREATE = "create"
    """Up: the container is made; on Swarm the count is raised."""
    START = "start"
    """Up: it is started."""
    READY = "ready"
    """Up: waiting until it is ready and in nginx's upstream."""
    DRAIN = "drain"
    """Down: it is taken out of nginx's upstream and finishes its requests."""
    STOP = "stop"
    """Down: it is stopped, with its own grace."""
    REMOVE = "remove"
    """Down: the container is removed; on Swarm the count is lowered."""


class EventKind(StrEnum):
    """What an entry of the history tells."""

    STARTED = "started"
    """The scaler started."""
    ALERT = "alert"
    """An alert began or ended."""
    DECISION = "decision"
    """The decision on a service changed."""
    STEP = "step"
    """A step ended, with the time of each phase."""
    RELOAD = "reload"
    """nginx's upstreams changed."""
    REPLICA = "replica"
    """A replica's state changed."""
    MANUAL = "manual"
    """A person asked for a count or a pause."""
    FAULT = "fault"
    """Something is wrong, or right again: labels, the engine, the journal, nginx, a replica's memory."""
