"""The names that the parts of the demonstration share."""

from __future__ import annotations

from typing import Any

QUEUES = {
    "order": "feeds mail, now and 20 s later",
    "mail": "async; fails now and then, is tried again",
    "webhook": "gives up after 3 attempts: dead letter",
    "thumbnail": "kills its worker now and then",
}
"""Queue → what there is to see."""

SITES: dict[str, dict[str, Any]] = {
    "bakery.example": {"smtp_seconds": 0.1, "smtp_failures": 0.01},
    "museum.example": {"smtp_seconds": 0.25, "smtp_failures": 0.15},
}
"""Site → its settings."""

XMPP_SITE = "bakery.example"
XMPP_JID, XMPP_READER = "news@bakery.example", "reader@bakery.example"
"""Where there is a Prosody: who writes to whom."""
