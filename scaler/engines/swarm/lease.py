"""The lease in Swarm itself: the labels of a config object, which Swarm's managers keep as one.

A config's content never changes, but its labels may, on a given version
(``POST /configs/<id>/update?version=``). No service refers to it, so nothing restarts when it changes.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import docker.errors
from docker import APIClient

from scaler.engines.connection import engine_errors
from scaler.engines.contract import LeaseRecord
from scaler.engines.swarm.target import is_overtaken, post
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason

_LABEL: Final = "alertscale.lease."
_REACHABLE: Final = "reachable"
_CONTENT: Final = base64.b64encode(b"Which scaler acts stands in the labels of this config.\n").decode()


class SwarmLease:
    """Keeps the lease of one stack.

    Args:
        client: of the Engine API of a manager.
        stack: whose scalers share it.
    """

    def __init__(self, *, client: APIClient, stack: str) -> None:
        self._client = client
        self._name = f"alertscale-lease-{stack}" if stack else "alertscale-lease"
        self._stack = stack
        self._id = ""

    def read(self) -> LeaseRecord | None:
        """See :class:`scaler.engines.contract.LeaseStore`."""
        with engine_errors("read the lease"):
            try:
                found: Mapping[str, Any] = self._client.inspect_config(self._name)  # type: ignore[no-untyped-call]
            except docker.errors.NotFound:
                return None
        self._id = found["ID"]
        labels = found["Spec"].get("Labels") or {}
        turn = labels.get(f"{_LABEL}turn", "0")
        return LeaseRecord(
            holder=labels.get(f"{_LABEL}holder", ""),
            address=labels.get(f"{_LABEL}address", ""),
            node=labels.get(f"{_LABEL}node", ""),
            note=labels.get(f"{_LABEL}note", ""),
            wanted=labels.get(f"{_LABEL}wanted", ""),
            turn=int(turn) if turn.isdecimal() else 0,
            version=int(found["Version"]["Index"]),
        )

    def write(self, record: LeaseRecord) -> LeaseRecord:
        """See :class:`scaler.engines.contract.LeaseStore`."""
        fields = ("holder", "address", "node", "note", "wanted", "turn")
        labels = {f"{_LABEL}{name}": str(getattr(record, name)) for name in fields}
        spec = {"Name": self._name, "Labels": labels, "Data": _CONTENT}
        try:
            with engine_errors("write the lease"):
                if record.version:
                    post(self._client, f"/configs/{self._id}/update", spec, version=record.version)
                else:
                    post(self._client, "/configs/create", spec)
        except TargetError as error:
            if is_overtaken(error):
                raise _taken() from error
            raise
        written = self.read()
        if written is None or written.holder != record.holder or written.turn != record.turn:
            raise _taken()
        return written

    def leader(self) -> str:
        """See :class:`scaler.engines.contract.LeaseStore`: the id of the node that leads the managers."""
        with engine_errors("list the managers"):
            nodes: Sequence[Mapping[str, Any]] = self._client.nodes(filters={"role": ["manager"]})
        up = {
            node["ID"]: status
            for node in nodes
            if (status := node.get("ManagerStatus") or {}).get("Reachability") == _REACHABLE
        }
        if len(up) == 1:
            return ""
        return next((ident for ident, status in up.items() if status.get("Leader")), "")


def _taken() -> TargetError:
    return TargetError("another scaler has taken the lease", reason=ErrorReason.OVERTAKEN)
