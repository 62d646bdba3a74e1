"""What nginx is given for a benchmark."""

from __future__ import annotations

from bench.sites import port, render
from scaler.traffic.contract import Upstream
from scaler.traffic.rendering import render as scaler_renders


def test_an_upstream_is_as_the_scaler_writes_it() -> None:
    upstream = Upstream(name="first-2", servers=(("10.0.0.2", 5000),), fallback=("flask-app-1:5000",))
    theirs = [line for line in scaler_renders(upstream).splitlines() if not line.startswith("#")]
    ours = render(["first-2"]).replace("server first-2:", "server 10.0.0.2:")
    assert ours.splitlines()[: len(theirs)] == theirs


def test_each_site_has_a_port_of_its_own_and_its_own_upstream() -> None:
    text = render(["a", "b"])
    assert f"listen {port(0)};\n    location / {{ proxy_pass http://a; }}" in text
    assert f"listen {port(1)};\n    location / {{ proxy_pass http://b; }}" in text
    assert port(0) != port(1)
