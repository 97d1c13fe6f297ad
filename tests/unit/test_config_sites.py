"""Sites: one that is badly declared is set aside by name, and no site ever sees another's settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.schema import Config, SitesConfig
from snqd.config.sites import merged, own_settings, read_catalogue, site_names
from snqd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def in_folder(folder: Path, **more: Any) -> Config:
    return Config(sites=SitesConfig(directory=str(folder)), **more)


def settings_of(config: Config, *rows: tuple[str, str]) -> dict[str, Mapping[str, Any]]:
    """What handlers see, for each site that is served."""
    found = read_catalogue(config, rows)
    return {
        name: merged(config.settings, own_settings(name, site, config))
        for name, site in found.items()
        if not site.problem
    }


def problems_of(config: Config, *rows: tuple[str, str]) -> dict[str, str]:
    return {name: site.problem for name, site in read_catalogue(config, rows).items() if site.problem}


def test_with_no_site_declared_there_is_exactly_the_default_one() -> None:
    assert settings_of(Config(settings={"a": 1})) == {"default": {"a": 1}}
    assert site_names(Config()) == ["default"]


def test_an_empty_folder_or_table_of_sites_means_no_site(tmp_path: Path) -> None:
    assert read_catalogue(in_folder(tmp_path)) == {}
    assert site_names(in_folder(tmp_path)) == []
    assert read_catalogue(Config(sites=SitesConfig(table=True))) == {}


def test_a_file_is_a_site_named_like_it(tmp_path: Path) -> None:
    (tmp_path / "a.example.toml").write_text("x = 1\n")
    (tmp_path / ".b.toml").write_text("x = 1\n")
    (tmp_path / "c.toml~").write_text("x = 1\n")

    assert settings_of(in_folder(tmp_path)) == {"a.example": {"x": 1}}
    assert site_names(in_folder(tmp_path)) == ["a.example"]


def test_a_row_is_a_site_beside_those_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x = 1\n")

    assert settings_of(in_folder(tmp_path), ("b", '{"x": {"y": 2}}')) == {"a": {"x": 1}, "b": {"x": {"y": 2}}}


def test_a_site_overrides_the_settings_table_by_table() -> None:
    config = Config(
        settings={"smtp": {"host": "h", "port": 25}, "theme": "blue"},
        site={"a": {"smtp": {"host": "mx"}, "theme": {"x": 1}}, "b": {}},
    )

    settings = settings_of(config)

    assert settings["a"]["smtp"] == {"host": "mx", "port": 25}
    assert settings["a"]["theme"] == {"x": 1}
    assert settings["b"]["smtp"] == {"host": "h", "port": 25}


def test_settings_cannot_be_changed_by_a_handler() -> None:
    deep = settings_of(Config(settings={"deep": {"list": [1, {"x": 1}]}}))["default"]["deep"]

    with pytest.raises(TypeError):
        deep["list"] = []
    with pytest.raises(TypeError):
        deep["list"][1]["x"] = 2


def test_a_site_that_is_badly_declared_is_set_aside_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text("x = 1\n")
    (tmp_path / "bad.toml").write_text("x = \n")
    (tmp_path / f"{'n' * 64}.toml").write_text("")
    (tmp_path / "gone.toml").symlink_to(tmp_path / "nowhere")
    config = in_folder(tmp_path, site={"also": {}, "wrong": 3})
    rows = (("row", "{}"), ("list", "[1]"), ("cut", '{"x": '))

    problems = problems_of(config, *rows)

    assert set(settings_of(config, *rows)) == {"good", "also", "row"}
    assert set(problems) == {"bad", "wrong", "n" * 64, "gone", "list", "cut"}
    assert problems["bad"].startswith(f"{tmp_path}/bad.toml:1:5: not valid TOML")
    assert problems["wrong"] == "[site.wrong]: it is 3, must be a table of settings: write [site.NAME]"
    assert problems["gone"] == f"{tmp_path}/gone.toml: there is no such file"
    assert problems["list"].startswith("table site: it is [1], must be a table of settings")
    assert problems["cut"].startswith("table site: settings are not valid JSON: ")


def test_a_file_whose_name_is_no_text_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.toml")).write_text("")

    (problem,) = problems_of(in_folder(tmp_path)).values()

    assert "use 1 to 63 printable characters" in problem
    problem.encode()  # it can be stored and shown


def test_a_site_declared_twice_is_set_aside_until_one_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x = 1\n")
    config = in_folder(tmp_path, site={"a": {"x": 2}, "b": {}})

    before = read_catalogue(config, [("b", "{}")])
    after = read_catalogue(in_folder(tmp_path, site={"b": {}}), before=before)

    assert before["a"].problem == "site 'a' is declared both in [site] and in sites.directory: remove one"
    assert before["b"].problem == "site 'b' is declared both in [site] and in the table site: remove one"
    assert not after["a"].problem
    assert not after["b"].problem


def test_when_every_site_is_set_aside_the_default_one_does_not_take_over() -> None:
    assert settings_of(Config(site={"a": 3})) == {}  # type: ignore[dict-item]


def test_files_that_look_untouched_are_not_read_again_unless_they_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("x = 1\n")
    os.utime(file, (1e9, 1e9))
    before = read_catalogue(in_folder(tmp_path))
    file.write_text("x = 2\n")
    os.utime(file, (1e9, 1e9))

    assert read_catalogue(in_folder(tmp_path), before=before)["a"] is before["a"]
    assert read_catalogue(in_folder(tmp_path), before=before, again="a")["a"].text == "x = 2\n"
    os.utime(file, (2e9, 2e9))
    assert read_catalogue(in_folder(tmp_path), before=before)["a"].text == "x = 2\n"


def test_a_file_that_was_written_a_moment_ago_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a tick of its clock a file can change twice and look the same."""
    file = tmp_path / "a.toml"
    file.write_text("x = 1\n")
    written = file.stat()
    monkeypatch.setattr("snqd.config.sites.time.time_ns", lambda: written.st_mtime_ns + 1_000_000)
    before = read_catalogue(in_folder(tmp_path))
    file.write_text("x = 2\n")
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))

    assert read_catalogue(in_folder(tmp_path), before=before)["a"].text == "x = 2\n"


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sites.directory .*/nowhere: there is no such folder"):
        read_catalogue(in_folder(tmp_path / "nowhere"))


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")

    with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
        read_catalogue(in_folder(tmp_path / "x"))
