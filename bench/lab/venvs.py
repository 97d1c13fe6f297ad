"""The peers' virtualenvs under `bench/.venvs`: made by the command that needs them, with the versions measured before.

One each, since their requirements exclude each other and so that none shares packages with us.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / ".venvs"
REQUIREMENTS = {
    "pgqueuer": (
        "pgqueuer==1.6.0",
        "asyncpg==0.32.0",
        "uvloop==0.23.0",
        "psycopg[binary,pool]==3.3.9",
        "typer<0.20",  # `pgq run` of this release stops at once under typer 0.29
    ),
    "huey": ("huey==3.5.4", "psycopg[binary]==3.3.9"),
    "celery": ("celery[redis]==5.7.0", "redis==8.1.0"),
}


def python_of(peer: str) -> Path:
    """The interpreter of a peer's virtualenv, which is made first if it is missing or has other requirements.

    Raises `SystemExit` with pip's words if the packages cannot be had.
    """
    home = FOLDER / peer
    stamp, wanted = home / "requirements.txt", "\n".join(REQUIREMENTS[peer])
    python = home / "bin" / "python"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"making {home.relative_to(FOLDER.parents[1])}: {' '.join(REQUIREMENTS[peer])}", file=sys.stderr)
    _run([sys.executable, "-m", "venv", "--clear", str(home)])
    _run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS[peer]])
    stamp.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
