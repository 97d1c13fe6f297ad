"""What makes two errors the same."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.stores.fingerprint import SUBJECT_LIMIT, Cause, cause, fingerprint, is_fingerprint

SAME = [
    (
        "TimeoutError: no answer from 10.0.0.7:25 within 30.0 s",
        "TimeoutError: no answer from 192.168.7.99:587 within 5 s",
    ),
    ("ConnectError: [fe80::1]:443 refused", "ConnectError: [2001:db8::7]:8443 refused"),
    ("KeyError: 'alice'", "KeyError: 'bob'"),
    ("KeyError: 4711", "KeyError: 4712"),
    (
        'UniqueViolation: duplicate key value violates unique constraint "users_pkey"\nDETAIL: Key (id)=(5) is there.',
        'UniqueViolation: duplicate key value violates unique constraint "users_pkey"\nDETAIL: Key (id)=(6) is there.',
    ),
    (
        "HTTPError: 503 Server Error: Service Unavailable for url: https://api.example/v1/users/5?token=a",
        "HTTPError: 503 Server Error: Service Unavailable for url: https://api.example/v1/users/99?token=b",
    ),
    (
        "SMTPRecipientsRefused: {'bob@x.example': (550, b'5.1.1 <bob@x.example>: user unknown')}",
        "SMTPRecipientsRefused: {'eve@y.example': (550, b'5.1.1 <eve@y.example>: user unknown')}",
    ),
    (
        "RuntimeError: job 7f9c24e5-2f1b-4c8a-9d1e-0123456789ab failed at 2026-11-26T14:20:57.123Z",
        "RuntimeError: job 00000000-2f1b-4c8a-9d1e-ba9876543210 failed at 2027-01-01 00:00:00+01:00",
    ),
    ("ValueError: <Shop object at 0x7f00deadbeef> is closed", "ValueError: <Shop object at 0x7f0012345678> is closed"),
    ("OSError: cannot read /var/spool/a/17.jpg", "OSError: cannot read /var/spool/b/c/18.jpg"),
    ("ValueError: digest 9e107d9d372bb682 unknown", "ValueError: digest e4d909c290d0fb1c unknown"),
    ("ValueError: can't parse 'x', won't try user 17's", "ValueError: can't parse 'y', won't try user 18's"),
    ("ValueError: item4711 of 2 of 3", "ValueError: item4712 of 7 of 9"),
    ("killed by SIGKILL", "killed by SIGKILL"),
]
OTHERS = [
    ("TimeoutError: no answer", "ConnectionError: no answer"),
    ("TimeoutError: no answer", "TimeoutError: no question"),
    ("OSError: [Errno 28] No space left", "OSError: [Errno 13] No space left"),
    ("HTTPError: HTTP Error 404: gone", "HTTPError: HTTP Error 503: gone"),
    ("HTTPError: 404 Client Error", "HTTPError: 503 Client Error"),
    ("Refused: status 429", "Refused: status code 503"),
    ("SMTPDataError: (452, b'later')", "SMTPDataError: (550, b'later')"),
    (
        "AttributeError: 'NoneType' object has no attribute 'id'",
        "AttributeError: 'NoneType' object has no attribute 'name'",
    ),
    ("ModuleNotFoundError: No module named 'shop'", "ModuleNotFoundError: No module named 'mail'"),
    ("worker exited with code 1", "worker exited with code 139"),
]
FRAMES = """\
Traceback (most recent call last):
  File "{root}/shop/mail.py", line {line}, in send
    server.login(user, password)
  File "/usr/lib/python3.11/smtplib.py", line 739, in login
    raise last_exception
  File "/srv/venv/lib/python3.11/site-packages/sentry/patch.py", line 3, in wrapped
    return function()
"""


@pytest.mark.parametrize(("one", "other"), SAME)
def test_errors_that_differ_in_their_values_are_the_same(one: str, other: str) -> None:
    assert cause(one) == cause(other)
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_errors_of_another_cause_are_others(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_a_cause_reads_as_the_error_without_its_values() -> None:
    assert cause("OSError: [Errno 28] No space left on device: '/tmp/x'", FRAMES.format(root="/srv", line=7)) == Cause(
        "OSError", "[Errno 28] No space left on device: <text>", "shop/mail.py:send"
    )
    assert cause("sqlalchemy.exc.OperationalError: gone").error_class == "sqlalchemy.exc.OperationalError"
    assert cause("Foo::bar was called") == Cause("", "Foo::bar was called", "")
    assert cause("\n  Retry \n more") == Cause("Retry", "", "")
    assert cause("") == Cause("", "", "")


def test_the_innermost_frame_of_the_project_tells_errors_apart() -> None:
    error = "KeyError: 'x'"
    here = fingerprint(error, FRAMES.format(root="/srv/releases/2026-11-01", line=7))

    assert fingerprint(error, FRAMES.format(root="/srv/releases/2026-11-26", line=19)) == here, "a release"
    assert fingerprint(error, FRAMES.format(root="/srv", line=7).replace("in send", "in receive")) != here
    assert fingerprint(error, FRAMES.format(root="/srv", line=7).replace("line 739", "line 740")) == here
    assert fingerprint(error) != here


def test_without_a_frame_of_the_project_the_innermost_one_counts() -> None:
    only_libraries = "\n".join(FRAMES.format(root="", line=0).splitlines()[3:])

    assert cause("E: x", only_libraries).frame == "sentry/patch.py:wrapped"


def raised(function: object) -> tuple[str, str]:
    """What a dead letter keeps of what `function` raises."""
    try:
        function()  # type: ignore[operator]
    except Exception as error:
        return f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))
    raise AssertionError("nothing was raised")


def first_fails(number: int) -> None:
    raise LookupError(f"no {number}")


def handling(number: int) -> None:
    try:
        first_fails(number)
    except LookupError as error:
        raise ValueError(f"cannot {number}") from error


def test_of_chained_exceptions_the_last_one_counts() -> None:
    error, trace = raised(lambda: handling(5))

    assert cause(error, trace) == Cause("ValueError", "cannot <n>", "unit/test_fingerprint.py:handling")


def test_an_exception_group_is_known_by_the_classes_in_it_whatever_their_order() -> None:
    def both(*errors: Exception) -> None:
        raise ExceptionGroup("some failed", list(errors))

    one, other, third = (
        fingerprint(*raised(lambda errors=errors: both(*errors)))
        for errors in (
            (ValueError("1"), KeyError("2")),
            (KeyError("3"), ValueError("4")),
            (KeyError("3"), TypeError("4")),
        )
    )

    assert one == other != third


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_has_a_fingerprint(error: str, trace: str) -> None:
    assert is_fingerprint(fingerprint(error, trace))
    assert len(cause(error).subject) <= SUBJECT_LIMIT


@given(st.sampled_from([error for pair in SAME for error in pair]), st.text(max_size=40))
def test_a_value_in_quotes_is_never_part_of_it(error: str, value: str) -> None:
    plain = value.replace("'", "").replace("\\", "")
    plain = " ".join(plain.split())

    assert fingerprint(f"{error.splitlines()[0]} for '{plain}'") == fingerprint(f"{error.splitlines()[0]} for 'x'")


def test_long_texts_take_no_long_time() -> None:
    for text in (
        "'" * 2000,
        "a:" * 1000,
        "/a" * 1000,
        "0" * 2000,
        "a.b@" * 500,
        "\\'" * 1000,
        "1.1." * 500,
        '"`' * 1000,
    ):
        fingerprint(f"E: {text}", 'File "' * 2000)


def test_what_is_no_fingerprint_is_told_from_one() -> None:
    assert is_fingerprint("0123456789")
    assert not is_fingerprint("012345678")
    assert not is_fingerprint("gggggggggg")
    assert not is_fingerprint("0123456789\n")
