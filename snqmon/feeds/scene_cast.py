"""Who plays in the scene: daemons, their groups of workers, queues and sites, and what goes wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCast:
    """One queue in its everyday life."""

    name: str
    group: str
    per_second: float
    """Items that come, over all sites."""
    run_seconds: float
    """The usual time of its handler."""
    failing: float = 0.0
    """Share of handlings that fail."""
    max_attempts: int = 5
    error: str = ""
    """With `{site}` for the name of the site, like `traceback`."""
    traceback: str = ""
    lag_alarm_seconds: float | None = None
    """None = the common one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonCast:
    """One daemon. `groups`: how many workers each group has; they are numbered in that order."""

    name: str
    host: str
    store: str
    groups: Mapping[str, int]
    queues: tuple[QueueCast, ...]
    sites: Mapping[str, float]
    """With the share of all items that is theirs."""
    up_seconds: float
    memory_limit_bytes: int = 256 * MEBIBYTE
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Dead letters that were there before, by queue."""


_TIMED_OUT = """\
Traceback (most recent call last):
  File "/srv/app/hooks/deliver.py", line 61, in handle
    answer = client.post(item.url, item.body, timeout=5.0)
  File "/srv/app/lib/http.py", line 118, in post
    raise Timeout(url, timeout) from error
app.lib.http.Timeout: https://hooks.{site}/in: no answer within 5 s
"""
_REJECTED = """\
Traceback (most recent call last):
  File "/srv/app/mail/send.py", line 42, in handle
    server.send_message(message)
  File "/usr/lib/python3.11/smtplib.py", line 899, in sendmail
    raise SMTPRecipientsRefused(senderrs)
smtplib.SMTPRecipientsRefused: nobody@{site}: 550 no such user
"""

SHOPS = DaemonCast(
    name="main",
    host="web1",
    store="postgresql://snqd@db1/queue",
    groups={"main": 5, "images": 2, "xmpp": 1},
    up_seconds=3 * 86400 + 4 * 3600 + 12 * 60,
    queues=(
        QueueCast(
            name="mail", group="main", per_second=22.0, run_seconds=0.045, failing=0.002,
            error="SMTPRecipientsRefused: nobody@{site}: 550 no such user", traceback=_REJECTED,
        ),
        QueueCast(name="distrib", group="main", per_second=18.0, run_seconds=0.024),
        QueueCast(name="search", group="main", per_second=14.0, run_seconds=0.06),
        QueueCast(
            name="webhook", group="main", per_second=5.0, run_seconds=0.18, failing=0.004, max_attempts=3,
            error="Timeout: https://hooks.{site}/in: no answer within 5 s", traceback=_TIMED_OUT,
        ),
        QueueCast(name="digest", group="main", per_second=0.12, run_seconds=2.4),
        QueueCast(name="thumbnail", group="images", per_second=2.6, run_seconds=0.4),
        QueueCast(name="transcode", group="images", per_second=0.03, run_seconds=6.0),
        QueueCast(name="xmppout", group="xmpp", per_second=8.0, run_seconds=0.03, lag_alarm_seconds=30.0),
    ),
    sites={
        "shop.example": 0.38, "news.example": 0.24, "forum.example": 0.17, "photos.example": 0.12,
        "wiki.example": 0.07, "tiny.example": 0.02,
    },
    waiting={"webhook": 3, "mail": 1},
)  # fmt: skip

BILLING = DaemonCast(
    name="billing",
    host="web2",
    store="sqlite:////var/lib/snqd/billing.db",
    groups={"main": 2},
    up_seconds=11 * 86400,
    queues=(
        QueueCast(name="invoice", group="main", per_second=0.8, run_seconds=0.3),
        QueueCast(name="payment", group="main", per_second=2.0, run_seconds=0.12),
    ),
    sites={"shop.example": 0.9, "photos.example": 0.1},
    memory_limit_bytes=512 * MEBIBYTE,
)

TRANSCODE_STACK = """\
Thread 0x00007f3a2c1fd740 (most recent call first):
  File "/srv/app/images/transcode.py", line 88, in wait_for_frames
  File "/srv/app/images/transcode.py", line 41, in handle
  File "/srv/app/.venv/lib/python3.11/site-packages/snqd/worker/execution.py", line 120 in run
"""
