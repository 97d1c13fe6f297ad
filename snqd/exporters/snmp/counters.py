"""What the agent counts of itself: the group `snmp` of SNMPv2-MIB, and what no standard object tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Since the agent began. pysnmp counts what it refuses, in its own objects."""

    in_pkts: int = 0
    """Messages from whom we listen to."""
    out_pkts: int = 0
    in_total_req_vars: int = 0
    in_get_requests: int = 0
    in_get_nexts: int = 0
    """GetBulk requests too."""
    in_set_requests: int = 0
    out_get_responses: int = 0
    in_asn_parse_errors: int = 0
    """Beside those that pysnmp counts."""
    silent_drops: int = 0
    """Requests that were not answered because no answer could be made or sent."""
    out_traps: int = 0
    foreign: int = 0
    """Datagrams from addresses that are not allowed: not looked at."""
    too_long: int = 0
    too_many: int = 0
    """Datagrams beyond the rate limit."""
    strays: int = 0
    """Messages that hold no request: traps, responses, reports."""
    fast: int = 0
    """Requests answered without pysnmp."""
    defects: int = 0
    """Figures that could not be told, and messages that made pysnmp raise."""
