"""Charts as lines of text: scales, lines, gaps, labels, and what happens where there is no room."""

from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqmon.charts.blocks import pack
from snqmon.charts.drawing import LEAST_HEIGHT, LEAST_WIDTH, Chart, Piece, Series, draw
from snqmon.charts.room import LEAST_CHART, TALLEST_CHART, share
from snqmon.charts.scale import Unit, mark_words, scale_for
from snqmon.model import formats
from snqmon.model.cells import Cell
from snqmon.model.details import Line, Section


def chart(*series: Series, unit: Unit = Unit.SECONDS, limit: float | None = None, limit_words: str = "") -> Chart:
    return Chart("lag", unit, 60.0, series, words=formats.timing, limit=limit, limit_words=limit_words)


def text(lines: list[list[Piece]]) -> list[str]:
    return ["".join(piece.text for piece in line) for line in lines]


def owners(line: list[Piece], meaning: str) -> str:
    """The characters of a line that have a meaning; the others as blanks."""
    return "".join(piece.text if piece.meaning == meaning else " " * len(piece.text) for piece in line)


VALUES = st.lists(st.floats(0, 1e9) | st.just(nan), max_size=70)
RISING = Series("lag", [float(second) for second in range(60)])


class TestScale:
    @given(st.floats(0, 1e12), st.sampled_from(list(Unit)), st.integers(1, 60))
    def test_it_holds_the_highest_value_with_few_round_marks(self, highest: float, unit: Unit, rows: int) -> None:
        scale = scale_for(highest, unit, rows)

        assert scale.top >= highest * (1 - 1e-9)
        assert scale.marks[0] == 0
        assert scale.marks[-1] == pytest.approx(scale.top)
        assert 2 <= len(scale.marks) <= 6

    @given(st.floats(1e-2, 1e10), st.sampled_from(list(Unit)))
    def test_it_is_not_much_higher_than_what_it_holds(self, highest: float, unit: Unit) -> None:
        top = scale_for(highest, unit, 10).top

        assert top <= max(highest * 2.6, {Unit.BYTES: 1 << 21, Unit.ITEMS: 4.0}.get(unit, 0.4))

    def test_a_low_chart_ends_near_its_highest_value_too(self) -> None:
        assert scale_for(2428.0, Unit.ITEMS, 4).top == 2500.0
        assert scale_for(48.0, Unit.SECONDS, 4).top == 60.0
        assert scale_for(38.0, Unit.SECONDS, 4).top == 40.0

    def test_items_are_whole(self) -> None:
        for highest in range(1, 200):
            marks = scale_for(float(highest), Unit.ITEMS, 6).marks
            assert all(mark == int(mark) for mark in marks)

    def test_time_is_divided_as_clocks_are(self) -> None:
        assert scale_for(38.0, Unit.SECONDS, 8).marks == (0.0, 15.0, 30.0, 45.0)
        assert [mark_words(mark, Unit.SECONDS) for mark in scale_for(200.0, Unit.SECONDS, 10).marks] == [
            "0", "1m", "2m", "3m", "4m",
        ]  # fmt: skip

    def test_bytes_are_divided_in_powers_of_two(self) -> None:
        marks = scale_for(200 * 2.0**20, Unit.BYTES, 10).marks

        assert [mark_words(mark, Unit.BYTES) for mark in marks] == ["0", "64M", "128M", "192M", "256M"]

    def test_noise_near_nothing_stays_small(self) -> None:
        assert scale_for(0.0003, Unit.PER_SECOND, 8).top >= 0.1


class TestDrawing:
    @given(
        st.integers(0, 220), st.integers(0, 60), st.booleans(), st.lists(st.floats(0, 1e9) | st.just(nan), max_size=70)
    )
    def test_it_fills_its_room_exactly(self, width: int, height: int, is_ascii: bool, values: list[float]) -> None:
        lines = draw(chart(Series("p50", values), Series("p95", values)), width, height, is_ascii=is_ascii)

        if width < LEAST_WIDTH or height < LEAST_HEIGHT:
            assert lines == []
        else:
            assert [len(line) for line in text(lines)] == [width] * height
        if is_ascii:
            assert all(line.isascii() for line in text(lines))

    def test_title_unit_scale_and_highest_value_are_written(self) -> None:
        title = text(draw(chart(RISING), 80, 8, is_ascii=False))[0]

        assert title.startswith("lag · seconds")
        assert title.rstrip().endswith("0 to 1m · most 59.0s")

    def test_the_axis_of_time_ends_now(self) -> None:
        axis = text(draw(chart(RISING), 80, 8, is_ascii=False))[-1].rstrip()

        assert axis.startswith("  0 └╴-1m╶")
        assert "╴-45s╶" in axis
        assert axis.endswith("╴now╶")

    def test_a_rising_line_rises(self) -> None:
        lines = draw(chart(RISING), 60, 8, is_ascii=True)
        places = [owners(line, "mark").find("*") for line in lines[1:-1]]

        assert places == sorted(places, reverse=True)
        assert places[0] > places[-1] > 0

    def test_a_gap_is_a_gap_and_not_a_zero(self) -> None:
        values = [5.0] * 20 + [nan] * 20 + [5.0] * 20
        lines = draw(chart(Series("lag", values)), 63, 8, is_ascii=True)
        drawn = "".join(owners(line, "mark")[:-8] for line in lines[1:-1])
        row = next(owners(line, "mark") for line in lines[1:-1] if "*" in owners(line, "mark"))
        left, middle, right = row[5:22], row[24:38], row[42:52]

        assert set(left) == {"*"}
        assert set(middle) == {" "}
        assert set(right) == {"*"}
        assert drawn.count("*") == row[:-8].count("*"), "nothing of it lies elsewhere"

    def test_nothing_known_is_said_and_not_drawn(self) -> None:
        lines = text(draw(chart(Series("lag", [nan] * 60)), 80, 8, is_ascii=False))

        assert any("nothing known in this time" in line for line in lines)
        assert lines[0].rstrip().endswith("nothing known")

    def test_what_a_line_is_stands_at_its_end_with_its_value(self) -> None:
        p50, p95 = Series("p50", [0.1] * 60), Series("p95", [0.9] * 60)
        lines = text(draw(chart(p50, p95), 80, 10, is_ascii=False))
        low = next(number for number, line in enumerate(lines) if "p50 100ms" in line)
        high = next(number for number, line in enumerate(lines) if "p95 900ms" in line)

        assert high < low

    def test_ends_at_one_place_do_not_cover_each_other(self) -> None:
        series = [Series(name, [0.5] * 60) for name in ("p50", "p95", "p99")]
        lines = text(draw(chart(*series), 80, 10, is_ascii=False))

        for name in ("p50", "p95", "p99"):
            assert sum(f" {name} 500ms" in line for line in lines[1:]) == 1

    def test_lines_are_told_apart_without_colour(self) -> None:
        series = [Series(name, [value] * 60) for name, value in (("p50", 0.1), ("p95", 0.5), ("p99", 0.9))]
        lines = text(draw(chart(*series), 80, 12, is_ascii=True))
        title = lines[0]

        for sign, name in zip("*+.", ("p50", "p95", "p99"), strict=True):
            assert f"{sign} {name}" in title
            assert any(line[10:60] == sign * 50 for line in lines[1:-1])

    def test_dots_have_dashes_of_their_own_for_each_line(self) -> None:
        signs = []
        for number in range(3):
            series = [Series("x", [nan] * 60)] * number + [Series("y", [0.5] * 60)]
            lines = text(draw(chart(*series), 80, 8, is_ascii=False))
            row = next(line for line in lines[1:-1] if any(sign > "\u2800" for sign in line[10:60]))
            signs.append(row[10:60])

        assert len(set(signs)) == 3

    def test_a_limit_is_a_line_across_when_it_is_in_sight(self) -> None:
        near = chart(RISING, limit=60.0, limit_words="soft limit")
        far = chart(RISING, limit=6000.0, limit_words="soft limit")

        assert any("soft limit" in line for line in text(draw(near, 80, 8, is_ascii=False)))
        assert not any("soft limit" in line for line in text(draw(far, 80, 8, is_ascii=False)))


class TestRoom:
    @given(st.integers(20, 300), st.integers(0, 80), st.integers(0, 40), st.integers(0, 6), st.integers(0, 500))
    def test_all_of_it_fits(self, width: int, height: int, sections: int, charts: int, below: int) -> None:
        room = share(width, height, sections=sections, charts=charts, below=below)
        rows = -(-room.charts // room.across)

        left = height - room.sections - rows * room.chart_height - room.below
        assert left == 0 or (not below and rows and (room.chart_height == TALLEST_CHART or 0 < left < rows))
        assert room.charts <= charts
        assert room.charts == 0 or room.chart_height >= LEAST_CHART
        assert not below or not height or room.below > 0

    def test_a_small_terminal_shows_some_of_everything(self) -> None:
        room = share(80, 19, sections=20, charts=5, below=20)

        assert (room.charts, room.below >= 5, room.sections >= 4) == (1, True, True)

    def test_a_large_one_shows_all_of_it(self) -> None:
        room = share(200, 55, sections=18, charts=5, below=10)

        assert (room.charts, room.sections >= 18, room.below >= 10) == (5, True, True)


def sections(*heights: int, columns: int = 1) -> list[Section]:
    return [
        Section(f"S{number}", tuple(Line(f"l{each}", Cell("x")) for each in range(height)), columns)
        for number, height in enumerate(heights)
    ]


class TestBlocks:
    @given(
        st.integers(20, 260),
        st.lists(st.tuples(st.integers(1, 12), st.sampled_from([0, 1, 2])), max_size=10),
    )
    def test_no_two_lines_lie_upon_each_other(self, width: int, wanted: list[tuple[int, int]]) -> None:
        given_sections = [section for height, columns in wanted for section in sections(height, columns=columns)]
        taken: set[tuple[int, int]] = set()
        for place in pack(given_sections, width):
            cells = {(x, place.y) for x in range(place.x, place.x + place.width)}
            assert not cells & taken
            assert place.x >= 0
            assert place.x + place.width <= width
            taken |= cells

    def test_narrow_screens_have_one_column_and_wide_ones_several(self) -> None:
        assert {place.x for place in pack(sections(3, 3, 3), 40)} == {0}
        assert len({place.x for place in pack(sections(3, 3, 3), 120)}) == 3

    def test_a_section_goes_where_least_stands_above_it(self) -> None:
        places = pack(sections(9, 2, 2, 2), 80)
        titles = {place.title: place for place in places if place.line is None}

        assert titles["S3"].x == titles["S1"].x
        assert titles["S3"].y == 3

    def test_sentences_have_the_whole_width(self) -> None:
        wide = [*sections(3, 3), *sections(4, columns=0)]
        last = pack(wide, 120)[-1]

        assert (last.x, last.width) == (0, 120)
