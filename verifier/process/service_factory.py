"""Builds the objects that answer requests, from the settings and the opened resources.

This module opens no file and no connection, so it cannot fail. A reload therefore replaces all
services at once, between two requests.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from verifier.config import Settings
from verifier.decisions.bypass import Bypass
from verifier.decisions.hosts import Hosts
from verifier.decisions.trusted_proxies import TrustedProxies
from verifier.decisions.verifier import Verifier
from verifier.http.admin.api import AdminService
from verifier.http.admin.revocations import RevocationsEndpoint
from verifier.http.cors import CorsOrigins
from verifier.http.decision_service import DecisionService
from verifier.http.handoff import Handoff
from verifier.http.handoff_cookie import derive_key
from verifier.http.pages import Pages
from verifier.http.proxy_auth import ProxyAuthOptions
from verifier.observability.decision_log import DecisionLog
from verifier.process.resources import ConfiguredResources
from verifier.process.state import ProcessState
from verifier.single_use import SingleUse


@dataclass(frozen=True, slots=True)
class Services:
    """What answers the requests of each listener.

    Attributes:
        decisions: Answers proxies and Prosody.
        admin: Answers operators.
    """

    decisions: DecisionService
    admin: AdminService


def build_services(
    settings: Settings, state: ProcessState, resources: ConfiguredResources
) -> Services:
    """Build the services that one configuration describes."""
    hosts = Hosts(
        _verifier(settings, state, resources),
        # The settings of a host contain all options, also those that it inherits.
        {host: _verifier(own, state, resources) for host, own in settings.hosts.items()},
        refuses_unknown_hosts=settings.strict_hosts,
    )
    report_only = settings.mode == "report-only"
    decisions = DecisionService(
        hosts,
        state.cache,
        state.metrics.decisions,
        DecisionLog(
            resources.sinks.all,
            report_only=report_only,
            personal_data=settings.log_personal_data,
        ),
        _gate_options(settings),
        state.revocations.refresh,
    )
    admin = AdminService(
        state.metrics.expose,
        resources.resolvers.status,
        hosts,
        settings.admin_token,
        RevocationsEndpoint(state.revocations, time.time, settings.longest_leeway),
        state.wrong_tokens,
        settings.mode,
    )
    return Services(decisions, admin)


def _verifier(settings: Settings, state: ProcessState, resources: ConfiguredResources) -> Verifier:
    """Return the verifier of one host; ``settings`` are those of that host."""
    single_use = None
    if settings.single_use != "off":
        single_use = SingleUse(state.redemptions, settings.single_use_window)
    return Verifier(
        settings.policy(),
        resources.resolvers.resolver_for(settings.key_locations()),
        time.time,
        state.throttle,  # one for all hosts, because they share the CPU
        state.revocations.check,
        single_use,
    )


def _gate_options(settings: Settings) -> ProxyAuthOptions:
    keys = [derive_key(secret.encode()) for secret in settings.cookie_secrets()]
    handoff = Handoff(keys, time.time) if keys else None
    return ProxyAuthOptions(
        settings.decision_ttl,
        settings.token_cookie,
        Bypass(settings.bypass, settings.trusted_proxies),
        Pages(settings.denied_redirect_url, handoff),
        settings.mode == "report-only",
        TrustedProxies(settings.trusted_proxies),
        CorsOrigins(
            settings.cors_origins,
            {host: own.cors_origins for host, own in settings.hosts.items()},
        ),
    )
