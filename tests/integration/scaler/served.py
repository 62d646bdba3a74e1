"""The scaler over HTTP in a process of its own, on an engine and an nginx in memory.

    python -m tests.integration.scaler.served <directory> <seconds to receive a request>

It prints its port. The token is in ``<directory>/token``, the log on standard error, as in production.
"""

import sys
import time
from pathlib import Path

from scaler.__main__ import _configure_log
from scaler.settings import read_settings
from scaler.web.app import create_app
from scaler.web.server import create_server
from tests.unit.scaler.rig import Rig


def main(directory: Path, receive_timeout: float) -> None:
    _configure_log(read_settings({}))
    rig = Rig(home=directory)
    rig.target.add()
    rig.start()
    app = create_app(
        orders=rig.orders,
        reading=rig.reading,
        metrics=rig.metrics,
        token=(directory / "token").read_text,
        wall=time.time,
    )
    server = create_server(app, host="127.0.0.1", port=0, receive_timeout=receive_timeout)
    print(server.effective_port, flush=True)  # noqa: T201 - whoever started us reads it
    server.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
