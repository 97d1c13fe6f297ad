from __future__ import annotations

from dataclasses import asdict

from snqd.config.schema import AlarmsConfig, Config, QueueConfig
from snqd.hub.alarm_rules import rules_of
from snqd.telemetry.rules import AlarmRules, QueueRules

HOW_THEY_ARE_TOLD = {"exec", "xmpp", "xmpp_site", "xmpp_per_minute"}


def test_every_threshold_of_the_configuration_is_judged_by() -> None:
    names = [name for name in AlarmsConfig._fields if name not in HOW_THEY_ARE_TOLD]
    alarms = AlarmsConfig(**{name: float(at) for at, name in enumerate(names, start=1)})  # type: ignore[arg-type]

    rules = rules_of(Config(alarms=alarms))

    assert {name: value for name, value in asdict(rules).items() if name != "queues"} == {
        name: float(at) for at, name in enumerate(names, start=1)
    }


def test_the_defaults_are_those_of_the_configuration() -> None:
    assert rules_of(Config()) == AlarmRules()


def test_a_queue_may_have_its_own() -> None:
    queues = {
        "mail": QueueConfig(lag_alarm_seconds=5.0),
        "bulk": QueueConfig(failure_ratio_alarm=0.0),
        "x": QueueConfig(),
    }

    rules = rules_of(Config(queue=queues))

    assert rules.queues == {"mail": QueueRules(lag_seconds=5.0), "bulk": QueueRules(failure_ratio=0.0)}
    assert (rules.lag_of("mail"), rules.lag_of("bulk"), rules.failure_ratio_of("bulk")) == (5.0, 300.0, 0.0)
