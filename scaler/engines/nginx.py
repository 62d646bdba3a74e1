"""nginx in a container, reached through the Engine API: what it is asked, and what its answers mean."""

import re
from http import HTTPStatus
from typing import Final

import docker.errors
from docker import APIClient

from scaler.engines.connection import engine_errors, exec_output
from scaler.engines.contract import GENERATION_PORT, LeftOut, LeftOutKind, Processes, Serving
from scaler.model.errors import BalancerError
from scaler.model.reasons import ErrorReason

_MASTER: Final = "nginx: master process"
_WORKER: Final = "nginx: worker process"
_LEAVING: Final = "is shutting down"
_SHOWN: Final = 600
_STATE: Final = re.compile(r"^(SigBlk|ShdPnd):\s*([0-9a-f]+)$", re.MULTILINE)
_HANGUP: Final = 1 << 0
_ANSWER: Final = re.compile(r"^(generation-\d+)$", re.MULTILINE)
_CURL: Final = re.compile(r"^curl (\d+)$", re.MULTILINE)
_NO_CONNECTION: Final = 7
"""What curl ends with where nobody listens."""
_EMERG: Final = re.compile(r"\[(?:emerg|alert|crit)\] (?:\d+#\d+: )?(.*)")
_LEFT_OUT: Final = re.compile(r"^alertscale\t(\w+)\t([^\t\n]+)\t(\w+)\t(.*)$", re.MULTILINE)


class DockerNginx:
    """See :class:`scaler.engines.contract.NginxControl`.

    Args:
        client: of the Engine API.
        patient: one that waits for as long as a test may say nothing; None for the same.
        upstreams: where the container sees the shared directory.
        config: where the container has its configuration.
    """

    def __init__(
        self,
        *,
        client: APIClient,
        patient: APIClient | None = None,
        upstreams: str = "/etc/nginx/upstreams",
        config: str = "/etc/nginx/nginx.conf",
    ) -> None:
        self._client = client
        self._patient = patient or client
        # During a deploy to it, the container is one that was made before there was an accept.sh.
        self._test = (
            f"command -v alertscale-accept >/dev/null && exec alertscale-accept {upstreams}/next;"
            f" sed 's#{upstreams}/current/#{upstreams}/next/#' {config} >/tmp/alertscale-test.conf"
            " && exec nginx -t -q -c /tmp/alertscale-test.conf"
        )
        # In this order: a master that was done before the answer has told its workers before it.
        self._ask = (
            "grep -E '^(SigBlk|ShdPnd):' /proc/$(cat /run/nginx.pid)/status;"
            f' curl -s --max-time 2 http://127.0.0.1:{GENERATION_PORT}/; echo "curl $?"'
        )

    def processes(self, instance: str) -> Processes:
        """See :class:`scaler.engines.contract.NginxControl`."""
        with engine_errors("list nginx's processes"):
            try:
                listed = self._client.top(instance, ps_args="-eo pid,args")
            except docker.errors.APIError as error:
                if error.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                    raise
                return Processes(master=None, workers=frozenset(), leaving=frozenset())
        titles = {int(row[0]): " ".join(row[1:]) for row in listed["Processes"] or ()}
        masters = [pid for pid, title in titles.items() if title.startswith(_MASTER)]
        workers = {pid for pid, title in titles.items() if title.startswith(_WORKER)}
        leaving = frozenset(pid for pid in workers if _LEAVING in titles[pid])
        return Processes(
            master=min(masters, default=None), workers=frozenset(workers - leaving), leaving=leaving
        )

    def serving(self, instance: str) -> Serving:
        """See :class:`scaler.engines.contract.NginxControl`."""
        _, said = self._run(instance, self._ask, "ask nginx which upstreams it serves with")
        return read_serving(said)

    def test(self, instance: str) -> tuple[LeftOut, ...]:
        """See :class:`scaler.engines.contract.NginxControl`."""
        code, said = self._run(instance, self._test, "test nginx's configuration", by=self._patient)
        if code != 0:
            raise BalancerError(
                f"nginx refuses the new upstreams and keeps the old ones: {words_of(said)}",
                reason=ErrorReason.CONFIG_TEST_FAILED,
            )
        return read_left_out(said)

    def reload(self, instance: str) -> None:
        """See :class:`scaler.engines.contract.NginxControl`.

        From inside, since a signal sent through the Engine API counts as a stop by hand for some
        engines (20.10), which would then not restart nginx after a crash.
        """
        code, said = self._run(instance, "kill -HUP $(cat /run/nginx.pid)", "reload nginx")
        if code != 0:
            raise BalancerError(
                f"nginx could not be reloaded: {said[-_SHOWN:]}", reason=ErrorReason.RELOAD_FAILED
            )

    def _run(
        self, instance: str, command: str, doing: str, *, by: APIClient | None = None
    ) -> tuple[int, str]:
        with engine_errors(doing):
            made = self._client.exec_create(instance, ["sh", "-c", command])
            said = exec_output(by or self._client, made["Id"])
            code = int(self._client.exec_inspect(made["Id"])["ExitCode"])
        return code, said.decode(errors="replace").strip() or f"it ended with {code}"


def words_of(said: str) -> str:
    """The reason of a refusal without nginx' clock and process id: the same one is the same text."""
    named = _EMERG.findall(said)
    # nginx/accept.sh ends with it; the lines before are of its tries to do without what was named.
    return str(named[-1] if named else said.splitlines()[-1])[:_SHOWN]


def read_left_out(said: str) -> tuple[LeftOut, ...]:
    """Read what ``nginx/accept.sh`` prints."""
    return tuple(
        LeftOut(kind=LeftOutKind(kind), name=name, became=became, why=why)
        for kind, name, became, why in _LEFT_OUT.findall(said)
    )


def read_serving(said: str) -> Serving:
    """Read the state of nginx' master and the answer of its worker.

    The master blocks its signals while it works and none while it waits for the next one (sigsuspend in
    ``ngx_master_process_cycle``), and ``SigBlk`` and ``ShdPnd`` show both: proc_pid_status(5). Where the
    kernel does not say, it may be at work.
    """
    masks = {name: int(mask, 16) for name, mask in _STATE.findall(said)}
    busy = masks.get("SigBlk") != 0 or bool(masks.get("ShdPnd", 0) & _HANGUP)
    answer, code = _ANSWER.search(said), _CURL.search(said)
    if answer is not None:
        return Serving(generation=answer[1], busy=busy)
    nobody = code is not None and int(code[1]) == _NO_CONNECTION
    return Serving(generation="" if nobody else None, busy=busy)
