"""Sites: one that is badly declared is set aside by name, and no site ever sees another's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.schema import Config, SitesConfig
from snqd.config.sites import read_sites, site_names
from snqd.errors import ConfigError
from snqd.items import SiteName

if TYPE_CHECKING:
    from pathlib import Path


def in_folder(folder: Path, **more: Any) -> Config:
    return Config(sites=SitesConfig(directory=str(folder)), **more)


def test_with_no_site_declared_there_is_exactly_the_default_one() -> None:
    table = read_sites(Config(settings={"a": 1}))

    assert {name: dict(own) for name, own in table.settings.items()} == {"default": {"a": 1}}
    assert site_names(Config()) == ["default"]


def test_an_empty_folder_of_sites_means_no_site(tmp_path: Path) -> None:
    assert read_sites(in_folder(tmp_path)).settings == {}
    assert site_names(in_folder(tmp_path)) == []


def test_a_file_is_a_site_named_like_it(tmp_path: Path) -> None:
    (tmp_path / "a.example.toml").write_text("x = 1\n")
    (tmp_path / ".b.toml").write_text("x = 1\n")
    (tmp_path / "c.toml~").write_text("x = 1\n")

    assert {name: dict(own) for name, own in read_sites(in_folder(tmp_path)).settings.items()} == {
        "a.example": {"x": 1}
    }
    assert site_names(in_folder(tmp_path)) == ["a.example"]


def test_a_site_overrides_the_settings_table_by_table() -> None:
    config = Config(
        settings={"smtp": {"host": "h", "port": 25}, "theme": "blue"},
        site={"a": {"smtp": {"host": "mx"}, "theme": {"x": 1}}, "b": {}},
    )

    settings = read_sites(config).settings

    assert settings[SiteName("a")]["smtp"] == {"host": "mx", "port": 25}
    assert settings[SiteName("a")]["theme"] == {"x": 1}
    assert settings[SiteName("b")]["smtp"] == {"host": "h", "port": 25}


def test_settings_cannot_be_changed_by_a_handler() -> None:
    config = Config(settings={"deep": {"list": [1, {"x": 1}]}})

    deep = read_sites(config).settings[SiteName("default")]["deep"]

    with pytest.raises(TypeError):
        deep["list"] = []
    with pytest.raises(TypeError):
        deep["list"][1]["x"] = 2


def test_a_site_whose_file_is_bad_is_set_aside_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text("x = 1\n")
    (tmp_path / "bad.toml").write_text("x = \n")
    (tmp_path / f"{'n' * 64}.toml").write_text("")

    table = read_sites(in_folder(tmp_path, site={"also": {}, "wrong": 3}))

    assert set(table.settings) == {"good", "also"}
    assert set(table.set_aside) == {"bad", "wrong", "n" * 64}
    assert table.set_aside["bad"].startswith(f"site 'bad' is set aside: {tmp_path}/bad.toml:1:5: not valid TOML")
    assert table.set_aside["wrong"].startswith("site 'wrong' is set aside: it is 3, must be a table of settings")


def test_a_site_declared_twice_is_set_aside_and_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x = 1\n")

    table = read_sites(in_folder(tmp_path, site={"a": {"x": 2}, "b": {}}))

    assert set(table.settings) == {"b"}
    assert table.set_aside["a"] == (
        "site 'a' is set aside: it is declared both in [site] and in sites.directory: remove one"
    )


def test_when_every_site_is_set_aside_the_default_one_does_not_take_over() -> None:
    assert read_sites(Config(site={"a": 3})).settings == {}  # type: ignore[dict-item]


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sites.directory .*/nowhere: there is no such folder"):
        read_sites(in_folder(tmp_path / "nowhere"))


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")

    with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
        read_sites(in_folder(tmp_path / "x"))
