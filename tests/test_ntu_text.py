"""The text of NTU RGB+D files: whatever the compiled scanner reads, the careful parser reads alike; whatever it does not, is left to that."""

import functools
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tdsm.data.readers import ntu_text
from tdsm.util.errors import InputError

ID = "72057594037931101"
BODY = "0 1 1 1 1 0 0.02764709 0.05745083 2"  # behind the id
TAIL = "277.419 191.8218 1036.233 519.1677 -0.2059419 0.05349901 0.9692109 -0.1239193 2"  # behind x y z


@pytest.fixture(scope="module", autouse=True)
def compiled():
    ntu_text.prepare(10**6)


def lines(frames, seed=0):
    """The lines of a file; ``frames`` is a list of lists of ids."""
    rng, found = np.random.default_rng(seed), [str(len(frames))]
    for bodies in frames:
        found.append(str(len(bodies)))
        for body in bodies:
            found += [f"{body} {BODY}", "25", *(" ".join([*(f"{number:.7g}" for number in rng.normal(size=3)), TAIL]) for _ in range(25))]
    return found


def text(found, newline="\r\n"):
    return (newline.join(found) + newline).encode()


def careful(content):
    """What the careful parser reads; None when it finds a fault."""
    try:
        return ntu_text._careful(content, "x.skeleton")
    except InputError:
        return None


def bits(joints):
    """So that -0 and 0 differ."""
    return joints.astype(np.float32).view(np.uint32), joints.view(np.uint64)


def same(left, right):
    assert (left.frames, left.ids) == (right.frames, right.ids)
    for field in ("frame", "line"):
        np.testing.assert_array_equal(getattr(left, field), getattr(right, field))
    np.testing.assert_equal(bits(left.joints), bits(right.joints))


def read_alike(content):
    """The scanner reads it, and as the careful parser does."""
    fast = ntu_text._fast(content)
    assert fast is not None
    same(fast, ntu_text._careful(content, "x.skeleton"))
    return fast


# Numbers

ODD = [
    *("0", "-0", "-0.0", "1e-05", "-1.788139E-07", ".5", "-.5", "5.", "1.0000000000000002", "+1.5", "00.10", "9007199254740993", "1e5", "1e+05"),
    *("1e-22", "1.5e-22", "1e-400", "4.9406564584124654e-324", "123456789.012345", "999999999999999", "-0.00000000000001", "1_0.5", "0x10"),
    *(".", "-", "--1", "1e", "1e-", "1e-x", "1e--5", "1.2.3", "1e-00005", "1e-18446744073709551621", "1e-05e-05"),
]
NUMBERS = st.one_of(
    st.floats(-10, 10, width=32).map(lambda value: f"{value:.7g}"),
    st.floats(-10, 10).map(repr),
    st.builds(lambda value, digits: f"{value:.{digits}f}", st.floats(-1e5, 1e5), st.integers(0, 12)),
    st.builds(lambda value, digits: f"{value:.{digits}e}", st.floats(-1, 1), st.integers(0, 16)),
    st.text("0123456789.-+eE", min_size=1, max_size=20),
)


def as_recorded(number):
    """Up to 15 digits, and by at most 22 of them, exponent included, behind the point."""
    match = re.fullmatch(r"-?(\d*)\.?(\d*)(?:[eE]-(\d{1,3}))?", number)
    return bool(match) and 0 < len(match[1] + match[2]) <= 15 and len(match[2]) + int(match[3] or 0) <= 22


def check_number(number, axis):
    found, point = lines([[ID]]), ["1.5", "-2.25", "0.125"]
    point[axis] = number
    found[4] = " ".join([*point, TAIL])
    fast, whole = ntu_text._fast(text(found)), careful(text(found))
    assert (fast is not None) == as_recorded(number)
    if fast is not None:
        same(fast, whole)
        assert bits(fast.joints)[0][0, 0, axis] == np.float32(float(number)).view(np.uint32)


@pytest.mark.parametrize("number", ODD)
def test_an_odd_number_is_what_float_says_or_left_to_it(number):
    for axis in range(3):
        check_number(number, axis)


@given(NUMBERS, st.integers(0, 2))
@settings(max_examples=300)
def test_any_number_is_what_float_says_or_left_to_it(number, axis):
    check_number(number, axis)


@given(st.lists(st.floats(-8, 8, width=32), min_size=75, max_size=75))
def test_the_recorders_numbers_are_scanned(numbers):
    found = lines([[ID]])
    written = [f"{number if abs(number) > 1e-15 else 0:.7g}" for number in numbers]
    found[4:] = [" ".join([*written[3 * joint : 3 * joint + 3], TAIL]) for joint in range(25)]
    np.testing.assert_array_equal(read_alike(text(found)).joints.ravel(), list(map(float, written)))


# Files


@pytest.mark.parametrize("newline", ["\r\n", "\n", " \r\n", "  \n"])
@pytest.mark.parametrize("end", ["", "\r\n", "\n\n \r\n"])
def test_line_ends_and_trailing_blanks(newline, end):
    content = (newline.join(lines([[], [ID], [], [ID, "7"], [f"{n}" for n in range(12)], []])) + end).encode()
    found = read_alike(content)
    assert found.frame.tolist() == [1, 3, 3, *[4] * 12]
    assert all(content.split(b"\n")[line].startswith(b"%.7g " % joints[0, 0]) for line, joints in zip(found.line, found.joints, strict=True))


@pytest.mark.parametrize("body", ["72057594037931101", "18446744073709551615", "7" * 40, "007", "-1"])
def test_ids_are_text(body):
    assert read_alike(text(lines([[body, "7"], [body]]))).ids == [body.encode(), b"7", body.encode()]


@pytest.mark.parametrize("bodies", [1, 2, 50])
def test_the_shortest_lines_have_room(bodies):
    one = ["0 " * 9 + "0", "25", *["0 " * 11 + "0"] * 25]
    found = read_alike("\n".join(["1", str(bodies), *one * bodies]).encode())
    assert len(found.ids) == bodies and not found.joints.any()


@pytest.mark.parametrize(
    ("old", "new"),
    [(" 0 1 1", "\t0 1 1"), (" 0 1 1", "  0 1 1"), (ID, f" {ID}"), ("25\r", " 25\r"), ("277.419 ", "277.419\x0b"), (" 2\r\n", " \r2\r\n")]
)  # fmt: skip
def test_unusual_white_space_is_read_all_the_same(old, new):
    content = text(lines([[ID]])).replace(old.encode(), new.encode())
    found = ntu_text.parse_bodies(content, "x.skeleton")
    same(found, ntu_text._careful(text(lines([[ID]])), "x.skeleton"))


def test_fields_that_are_too_many_in_one_line_and_too_few_in_another():
    found = lines([[ID]])
    found[8], found[9] = found[8] + " 2", found[9].rsplit(" ", 1)[0]
    with pytest.raises(InputError, match=r"x\.skeleton line 9: 13 fields, not the 12 of a joint"):
        ntu_text.parse_bodies(text(found), "x.skeleton")


WHOLE = text(lines([[ID], [], [ID, "8"]]))
PIECES = st.sampled_from([*"0123456789 .-e\n\r\t\x00x", "25", "\r\n", ""])
COUNT = WHOLE.index(b"25\r\n")
EDITS = st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 3), PIECES), min_size=1, max_size=3)


@given(EDITS)
@example([(0, 1, "4")])
@example([(0, 1, "999999999")])
@example([(0, 1, "0000000003")])
@example([(0, 1, "3" * 5000)])
@example([(3, 1, "0000000001")])
@example([(COUNT, 2, "24")])
@example([(0, 1, "")])
@example([(3, 1, "1x")])
@example([(0, len(WHOLE), "")])
@example([(len(WHOLE) // 2, len(WHOLE), "")])
@example([(len(WHOLE) - 1, 1, "")])
@example([(len(WHOLE), 0, "\r")])
@settings(max_examples=300)
def test_damage_is_never_scanned(edits):
    content = WHOLE
    for at, gone, new in edits:
        content = content[:at] + new.encode() + content[at + gone :]
    fast = ntu_text._fast(content)
    if fast is not None:
        whole = careful(content)
        assert whole is not None, "the scanner read what the careful parser refuses"
        same(fast, whole)


FAULTS = [("nan", "y of a joint is nan"), ("-inf", "y of a joint is -inf"), ("1e999", "y of a joint is inf"), ("1-2", "three numbers")]


@pytest.mark.parametrize(("number", "says"), FAULTS)
def test_faults_are_named_with_their_line(number, says):
    found = lines([[ID], [ID]])
    found[40] = f"1.5 {number} 2 {TAIL}"
    with pytest.raises(InputError, match=rf"x\.skeleton line 41: .*{says}"):
        ntu_text.parse_bodies(text(found), "x.skeleton")


@pytest.mark.parametrize("content", [b"0\r\n", b"2\n0\n0", b"0"])
def test_nobody(content):
    with pytest.raises(InputError, match="no body in any of its"):
        ntu_text.parse_bodies(content, "x.skeleton")


# When the scanner is used


def test_the_scanner_starts_when_it_pays(monkeypatch):
    started = []
    monkeypatch.setattr(ntu_text, "_compiled", functools.cache(lambda: started.append(1) or (lambda *_: (-1, 0))))
    monkeypatch.setattr(ntu_text, "_files", iter(range(1, 10**6)))
    for _ in range(ntu_text._MANY):
        ntu_text.parse_bodies(WHOLE, "x.skeleton")
    ntu_text.prepare(ntu_text._MANY - 1)
    assert not started
    ntu_text.parse_bodies(WHOLE, "x.skeleton")
    assert started == [1]
    ntu_text._compiled.cache_clear()
    ntu_text.prepare(ntu_text._MANY)
    assert started == [1, 1]


def test_a_machine_without_room_for_a_cache_compiles_anew(monkeypatch):
    import numba

    def njit(*functions, cache=False):
        if cache:
            raise RuntimeError("cannot cache function '_scan': no locator available for file 'ntu_text.py'")
        return functions[0]

    monkeypatch.setattr(numba, "njit", njit)
    assert ntu_text._compiled.__wrapped__() is ntu_text._scan


@pytest.mark.slow
def test_another_process_imports_numba_only_when_asked_and_does_not_compile_again():
    script = """if True:
        import sys
        import tdsm
        from tdsm.data.readers import ntu_text
        ntu_text.parse_bodies(sys.stdin.buffer.read(), "x.skeleton")
        assert "numba" not in sys.modules
        ntu_text.prepare(10**6)
        stats = ntu_text._compiled().stats
        assert sum(stats.cache_hits.values()) == 1 and not stats.cache_misses, stats
    """
    subprocess.run([sys.executable, "-c", script], input=WHOLE, check=True)
