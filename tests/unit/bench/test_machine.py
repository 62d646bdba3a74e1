"""What is read off the machine, from real texts."""

from __future__ import annotations

from bench.machine import cpu_model, memory, pinned


def test_the_processor_is_the_first_model_name() -> None:
    text = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\n\nprocessor\t: 1\nmodel name\t: Other\n"
    assert cpu_model(text) == "Some CPU @ 2.00GHz"


def test_a_machine_without_model_names_has_none() -> None:
    assert cpu_model("processor\t: 0\nBogoMIPS\t: 243.75\n") == ""


def test_memory_is_told_in_gib() -> None:
    assert memory("MemTotal:       16777216 kB\nMemFree: 1 kB\n") == "16.0 GiB"
    assert memory("") == ""


def test_only_pinned_packages_are_versions() -> None:
    text = "# why\nFlask==3.1.3  # routes\n-r other.txt\ndocker==7.2.0\nloose>=1\n"
    assert pinned(text) == {"Flask": "3.1.3", "docker": "7.2.0"}
