"""The environment becomes settings, or a list of all its faults."""

import pytest

from service.server import LONGEST_LINGER_SECONDS
from service.settings import VARIABLES, Settings, SettingsError, read_settings


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}) == Settings(
        port=5000, threads=8, linger_seconds=1, grace_seconds=30, memory_limit_mb=180
    )


def test_every_variable_is_read() -> None:
    environ = {
        "PORT": "81",
        "THREADS": "2",
        "LINGER_SECONDS": "0",
        "GRACE_SECONDS": "1.5",
        "MEMORY_LIMIT_MB": "7",
    }
    assert read_settings(environ) == Settings(
        port=81, threads=2, linger_seconds=0, grace_seconds=1.5, memory_limit_mb=7
    )


def test_no_linger_is_accepted_that_would_be_cut_short() -> None:
    assert VARIABLES["LINGER_SECONDS"].high == LONGEST_LINGER_SECONDS


def test_an_empty_variable_is_an_unset_one() -> None:
    assert read_settings({"PORT": ""}).port == 5000


@pytest.mark.parametrize("text", ["0", "65536", "-1", "80.5", "http", "nan", " "])
def test_a_port_that_is_none_is_a_fault_with_its_name_value_and_range(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"PORT": text})
    assert caught.value.faults == (f"PORT={text!r}: must be a whole number from 1 to 65535",)


def test_all_faults_are_reported_together() -> None:
    environ = {
        "PORT": "x",
        "THREADS": "0",
        "LINGER_SECONDS": "6",
        "GRACE_SECONDS": "nan",
        "MEMORY_LIMIT_MB": "-5",
    }
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    assert [fault.partition("=")[0] for fault in caught.value.faults] == list(environ)
