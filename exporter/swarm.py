"""Swarm's labels under Compose's names, so that the same recording rules serve both. No I/O.

A container of a Swarm task carries the name of its service, which Swarm knows by one name in the whole
cluster: ``<stack>_<service>`` where a stack made it. The stack stands where Compose has its project.
"""

from collections.abc import Mapping

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
_STACK = "com.docker.stack.namespace"
_SWARM_SERVICE = "com.docker.swarm.service.name"
"""On Swarm: the service of a task, in the place of Compose's, as `<stack>_<service>`."""


def with_compose_names(labels: Mapping[str, str]) -> Mapping[str, str]:
    """A container's labels, with Compose's project and service for one that Swarm runs.

    A service that no stack made has an empty project, which is to Prometheus the same as none, and its
    whole name as its service. Labels of Compose that are there already stay as they are.
    """
    name = labels.get(_SWARM_SERVICE, "")
    if not name or SERVICE in labels:
        return labels
    stack = labels.get(_STACK, "")
    return {**labels, PROJECT: stack, SERVICE: name.removeprefix(f"{stack}_") if stack else name}
