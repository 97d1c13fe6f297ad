from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from snqd.config.schema import DaemonConfig
from snqd.errors import ConfigError
from snqd.supervisor.runtime import board_path, find_runtime_folder, pidfile_path, runtime_folder


def config(**settings: Any) -> DaemonConfig:
    return DaemonConfig(**settings)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"RUNTIME_DIRECTORY": "/run/snqd:/run/more", "XDG_RUNTIME_DIR": "/run/user/7"}, "/run/snqd"),
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, "/run/user/7/snqd"),
        ({"TMPDIR": "/srv/tmp"}, f"/srv/tmp/snqd-{os.geteuid()}"),
        ({"TMPDIR": ""}, f"/tmp/snqd-{os.geteuid()}"),
        ({}, f"/tmp/snqd-{os.geteuid()}"),
    ],
)
def test_the_folder_is_systemds_else_the_sessions_else_a_private_one(environment: dict[str, str], folder: str) -> None:
    assert find_runtime_folder(config(), environment) == Path(folder)
    assert find_runtime_folder(config(runtime_dir="/srv/own"), environment) == Path("/srv/own")


def test_a_missing_folder_is_made_for_us_alone(tmp_path: Path) -> None:
    folder = runtime_folder(config(), {"XDG_RUNTIME_DIR": str(tmp_path)})

    assert folder == tmp_path / "snqd"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_others_can_write_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "snqd").mkdir()
    (tmp_path / "snqd").chmod(0o777)

    with pytest.raises(ConfigError, match=r"can be written by others: remove it, or set daemon\.runtime_dir"):
        runtime_folder(config(), {"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_link_in_a_shared_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "snqd").symlink_to(tmp_path / "private")

    with pytest.raises(ConfigError, match="belongs to user"):
        runtime_folder(config(), {"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"daemon\.runtime_dir .*/file/snqd: Not a directory: name a folder"):
        runtime_folder(config(runtime_dir=str(tmp_path / "file" / "snqd")))


def test_the_files_carry_the_daemons_name() -> None:
    daemon = config(name="web")

    assert board_path(daemon, Path("/run/snqd")) == Path("/run/snqd/web.board")
    assert pidfile_path(daemon, Path("/run/snqd")) == Path("/run/snqd/web.pid")
    assert pidfile_path(config(pidfile="/srv/own.pid"), Path("/run/snqd")) == Path("/srv/own.pid")
