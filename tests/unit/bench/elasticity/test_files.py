"""The Compose file and nginx's files name what the code names."""

from __future__ import annotations

from pathlib import Path

import yaml

from bench.elasticity.variants import BESIDE, FULL, MOST, OURS, VARIANTS
from bench.stacks import PROJECT

BENCH = Path(__file__).parents[4] / "bench"
SERVICES = yaml.safe_load((BENCH / "docker-compose.elasticity.yml").read_text(encoding="utf-8"))["services"]


def test_every_variant_is_a_service_of_one_image_with_the_same_limits() -> None:
    limits = [SERVICES[one.service]["deploy"]["resources"]["limits"] for one in VARIANTS]
    assert all(limit == limits[0] for limit in limits)
    assert {SERVICES[one.service]["image"] for one in VARIANTS} == {f"{PROJECT}-flask-app"}


def test_only_ours_is_scaled_by_alertscale_and_only_its_bounds_are_not_as_shipped() -> None:
    shipped = yaml.safe_load((BENCH.parent / "docker-compose.yml").read_text(encoding="utf-8"))
    labels = shipped["services"]["flask-app"]["labels"]
    assert [name for name, service in SERVICES.items() if "labels" in service] == [OURS.service]
    assert SERVICES[OURS.service]["labels"] == labels | {"alertscale.max": str(MOST)}


def test_the_one_that_is_fixed_at_most_has_them_from_the_start() -> None:
    assert SERVICES[FULL.service]["deploy"]["replicas"] == MOST


def test_each_nginx_knows_the_variants_behind_it() -> None:
    gate = (BENCH / "elasticity" / "gate.conf").read_text(encoding="utf-8")
    for one in VARIANTS:
        assert (f"upstream {one.service} {{" in gate) == (one is not OURS)
    site = (BENCH / "elasticity" / "site.conf").read_text(encoding="utf-8")
    assert f"server_name {OURS.service};" in site
    assert f"proxy_pass http://{BESIDE}.{OURS.service};" in site


def test_the_nginx_in_front_is_the_stacks() -> None:
    shipped = yaml.safe_load((BENCH.parent / "docker-compose.yml").read_text(encoding="utf-8"))
    assert SERVICES["gate"]["image"] == shipped["services"]["nginx"]["image"]
