"""Runs inside a container, given to its Python on standard input: what its program holds, as JSON.

Nothing but the standard library, and nothing of bench: it is not there. With a journal's path as its
argument, its size and rows too; with a number after it, the history is filled up to so many rows first.
"""

import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path


def program(proc: Path = Path("/proc")) -> Path:
    """The first process, or the one that Docker's init has started."""
    if (proc / "1/comm").read_text().strip() != "docker-init":
        return proc / "1"
    return proc / (proc / "1/task/1/children").read_text().split()[0]


def process() -> dict[str, float]:
    """Resident memory in bytes, open files and threads of the program."""
    main = program()
    status = dict(line.split(":", 1) for line in (main / "status").read_text().splitlines())
    return {
        "resident": int(status["VmRSS"].split()[0]) * 1024,
        "files": len(list((main / "fd").iterdir())),
        "threads": int(status["Threads"]),
    }


def journal(path: Path) -> dict[str, float]:
    """Bytes of all of SQLite's files, rows of the history, rows of steps."""
    files = path.parent.glob(path.name + "*")
    counts = "SELECT (SELECT COUNT(*) FROM event), (SELECT COUNT(*) FROM step)"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
        events, steps = db.execute(counts).fetchone()
    return {"journal": sum(file.stat().st_size for file in files), "events": events, "steps": steps}


def fill(path: Path, rows: int) -> None:
    """Bring the history to so many rows, all of them like those of a decision."""
    text = "flask-app holds at 2 replicas: the cooldown after the last step is not over. " * 2
    detail = json.dumps({"replicas": 2, "minimum": 1, "maximum": 3, "alerts": [], "until": time.time()})
    with closing(sqlite3.connect(path, timeout=5)) as db:
        # In many small transactions, so that SQLite's write-ahead log has its full size too.
        while (lacking := rows - db.execute("SELECT COUNT(*) FROM event").fetchone()[0]) > 0:
            db.executemany(
                "INSERT INTO event (at, project, service, kind, reason, text, detail)"
                " VALUES (?, 'alertscale-bench', 'flask-app', 'decision', 'steady', ?, ?)",
                [(time.time(), text, detail)] * min(lacking, 20),
            )
            db.commit()


if __name__ == "__main__":
    if len(sys.argv) > 2:  # noqa: PLR2004 - the path and the number
        fill(Path(sys.argv[1]), int(sys.argv[2]))
    found = process()
    if len(sys.argv) > 1:
        found |= journal(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(found))
