"""The rules: each a function from the setup to what it finds there."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from alertscale.check.findings import Found, Rule
from alertscale.check.rules import alerts, labels, pairs, routes, services, sites, sums, timing
from alertscale.check.setup import Setup

RULES: Final[Mapping[Rule, Callable[[Setup], Iterator[Found]]]] = {
    Rule.UNREADABLE_LABEL: labels.unreadable_label,
    Rule.MIN_ABOVE_MAX: labels.min_above_max,
    Rule.UNKNOWN_LABEL: labels.unknown_label,
    Rule.NEARLY_OUR_LABEL: labels.nearly_our_label,
    Rule.FIXED_HOST_PORT: services.fixed_host_port,
    Rule.CONTAINER_NAME: services.container_name,
    Rule.STATIC_ADDRESS: services.static_address,
    Rule.HOST_NETWORK: services.host_network,
    Rule.HOOK_WITHOUT_LABEL: services.hook_without_label,
    Rule.READY_TIMEOUT_TOO_SHORT: services.ready_timeout_too_short,
    Rule.FIXED_HOST: sites.fixed_host,
    Rule.UNKNOWN_UPSTREAM: sites.unknown_upstream,
    Rule.HEADER_TWICE: sites.header_twice,
    Rule.HEADERS_LEFT_OUT: sites.headers_left_out,
    Rule.BAD_SCALE: alerts.bad_scale,
    Rule.SCALE_WITHOUT_SERVICE: alerts.scale_without_service,
    Rule.SCALE_WITHOUT_RESOURCE: alerts.scale_without_resource,
    Rule.UNKNOWN_SERVICE: alerts.unknown_service,
    Rule.SERVICE_NOT_ENABLED: alerts.service_not_enabled,
    Rule.WATCHDOG_MISSING: alerts.watchdog_missing,
    Rule.UP_WITHOUT_DOWN: pairs.up_without_down,
    Rule.RESOURCE_NOT_NAMED: pairs.resource_not_named,
    Rule.RESOURCE_WITHOUT_RULE: pairs.resource_without_rule,
    Rule.FLAPPING_THRESHOLDS: pairs.flapping_thresholds,
    Rule.SUM_NOT_AVERAGE: sums.sum_not_average,
    Rule.SHORT_RATE_WINDOW: timing.short_rate_window,
    Rule.FOR_EXCEEDS_COOLDOWN: timing.for_exceeds_cooldown,
    Rule.KEEP_FIRING_EXCEEDS_COOLDOWN: timing.keep_firing_exceeds_cooldown,
    Rule.UNDELIVERED_ALERT: routes.undelivered_alert,
    Rule.SCALER_NOT_REACHED: routes.scaler_not_reached,
    Rule.WEBHOOK_WITHOUT_TOKEN: routes.webhook_without_token,
    Rule.REPEAT_NOT_BELOW_GROUP: routes.repeat_not_below_group,
    Rule.TTL_BELOW_REPETITION: routes.ttl_below_repetition,
}
"""Every rule on what the files say; those on whether they can be read are where they are read."""
