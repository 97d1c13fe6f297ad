"""The thresholds of alarms, from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.telemetry.rules import AlarmRules, QueueRules

if TYPE_CHECKING:
    from snqd.config.schema import Config


def rules_of(config: Config) -> AlarmRules:
    """`[alarms]`, with what `[queue.NAME]` says in its place."""
    alarms = config.alarms
    return AlarmRules(
        lag_seconds=alarms.lag_seconds,
        failure_ratio=alarms.failure_ratio,
        respawns_per_minute=alarms.respawns_per_minute,
        stalled_seconds=alarms.stalled_seconds,
        no_handler_seconds=alarms.no_handler_seconds,
        dead_letters_per_minute=alarms.dead_letters_per_minute,
        store_seconds=alarms.store_seconds,
        memory_seconds=alarms.memory_seconds,
        canary_seconds=alarms.canary_seconds,
        connection_seconds=alarms.connection_seconds,
        schedule_seconds=alarms.schedule_seconds,
        clear_share=alarms.clear_share,
        hold_seconds=alarms.hold_seconds,
        queues={
            name: QueueRules(lag_seconds=queue.lag_alarm_seconds, failure_ratio=queue.failure_ratio_alarm)
            for name, queue in config.queue.items()
            if queue.lag_alarm_seconds is not None or queue.failure_ratio_alarm is not None
        },
    )
