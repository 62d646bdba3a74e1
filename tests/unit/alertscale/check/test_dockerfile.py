from __future__ import annotations

import pytest

from alertscale.check.dockerfile import Copy, Dockerfile, read_dockerfile

WHOLE = """\
# syntax=docker/dockerfile:1
FROM --platform=linux/amd64 golang:1 AS build
COPY . /src
EXPOSE 1

FROM prom/prometheus:v3.5.3 AS last
WORKDIR /srv
COPY --chown=nobody a.yml \\
  # in between
  b.yml /etc/prometheus/
COPY --from=build /src/x /x
ADD ["c d.yml", "/c.yml"]
expose 80/tcp 443 53/udp
HEALTHCHECK --interval=1s CMD curl localhost
ENTRYPOINT ["/bin/prometheus"]
CMD --config.file=/etc/prometheus/a.yml --log.level="info"
"""


def test_what_the_last_stage_says_is_read() -> None:
    assert read_dockerfile(WHOLE) == Dockerfile(
        image="prom/prometheus:v3.5.3",
        copies=(
            Copy(sources=("a.yml", "b.yml"), target="/etc/prometheus/"),
            Copy(sources=("c d.yml",), target="/c.yml"),
        ),
        ports=("80", "443"),
        checked=True,
        entrypoint=("/bin/prometheus",),
        command=("--config.file=/etc/prometheus/a.yml", "--log.level=info"),
        directory="/srv",
    )


STAGES = """\
FROM prom/prometheus AS base
EXPOSE 9090
COPY a.yml /a.yml
FROM base AS Own
COPY b.yml /b.yml
EXPOSE 1
FROM base
"""


def test_a_stage_has_what_the_one_has_that_it_begins_with() -> None:
    own, last = read_dockerfile(STAGES, target="own"), read_dockerfile(STAGES)

    assert (own.image, own.ports, len(own.copies)) == ("prom/prometheus", ("9090", "1"), 2)
    assert (last.image, last.ports, len(last.copies)) == ("prom/prometheus", ("9090",), 1)


@pytest.mark.parametrize(
    "text", ["", "FROM", "COPY", "COPY a", 'CMD ["', "ENTRYPOINT '", "HEALTHCHECK NONE", "\0"]
)
def test_what_cannot_be_read_says_nothing(text: str) -> None:
    read = read_dockerfile(text)

    assert (read.copies, read.ports, read.checked) == ((), (), False)
