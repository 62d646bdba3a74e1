"""Which images Compose built."""

from __future__ import annotations

from machine.built import names


def test_what_is_built_and_has_no_name_in_the_file_is_named_after_project_and_service() -> None:
    config = {
        "name": "shop",
        "services": {
            "web": {"build": {"context": "."}},
            "worker": {"build": {"context": "."}, "image": "registry.example/worker:2"},
            "nginx": {"image": "nginx:1"},
        },
    }
    assert names(config) == ["shop-web"]
