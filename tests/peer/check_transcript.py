#!/usr/bin/python3
"""What tests/run says once more of what failed."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from transcript import SHOWN, Tally, Transcript


def failures(*lines):
    tell = Transcript("a-suite", live=False)
    for line in lines:
        tell(line)
    return tell.failures()


def test_a_failure_has_the_lines_that_follow_it_and_no_others(t):
    assert failures("  ok      test_a (0.1 s)", "  FAILED  test_b (0.2 s)", "  why", "  ok      test_c (0.1 s)",
                    "  of another", "FAILED clang-tidy x.c\nx.c:1: error") == \
        ["  FAILED  test_b (0.2 s)\n  why", "FAILED clang-tidy x.c\nx.c:1: error"]
    assert failures("  ok      test_a (0.1 s)", "  skipped test_b (0.0 s) [FAILED is only said here]") == []


def test_of_a_long_one_its_begin_and_its_end_are_said(t):
    lines = ["FAILED it", *(f"line {i}" for i in range(SHOWN))]
    said, = failures("\n".join(lines))
    assert said.splitlines() == [*lines[:SHOWN // 2], "  ...", *lines[-SHOWN // 2:]], said
    said, = failures("\n".join(lines[:SHOWN]))
    assert said.splitlines() == lines[:SHOWN]


def test_tallies_add_up(t):
    total = Tally()
    total += Tally(3, 1)
    total += Tally(2, 0, 1)
    assert str(total) == "5 passed, 1 failed, 1 skipped"


if __name__ == "__main__":
    suite.run(globals())
