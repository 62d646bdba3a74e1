#!/usr/bin/env bash
# promql-parser 0.12.0 (Python): a string in backticks is searched for escapes all the same.
#
# Guess: as PromQL has it (Prometheus, Querying basics, String literals), nothing is an escape between backticks:
# what is written there is the string, and regular expressions are often written so.
# Seen: ValueError, "unknown escape sequence 'd'", for a matcher of `\d+`, and for `\d+` as an argument; a `\`
# before the closing backtick is "unterminated quoted string". Yet `\n` stays what it is, two characters: an
# escape that a quoted string may have is let through, and not replaced. promtool 3.5.3 takes each of them.
# So a tool that reads the rules or dashboards of a running Prometheus with it fails on some that are valid.
# Way out: double quotes and two backslashes, which is the same string.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check promql-parser==0.12.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import promql_parser


def read(query):
    try:
        return [matcher.value for matcher in promql_parser.parse(query).matchers.matchers]
    except ValueError as error:
        return str(error)


def accepted(query):
    try:
        return promql_parser.parse(query).prettify()
    except ValueError as error:
        return str(error)


seen = {
    "promql-parser": version("promql-parser"),
    r"up{path=~`/v\d+`}": read(r"up{path=~`/v\d+`}"),
    r'label_replace(up, "a", "$1", "b", `(\d+)`)': accepted(r'label_replace(up, "a", "$1", "b", `(\d+)`)'),
    r"up{path=`\`}": read(r"up{path=`\`}"),
    r"up{path=`\n`}": read(r"up{path=`\n`}"),
    r'up{path=~"/v\\d+"}': read(r'up{path=~"/v\\d+"}'),
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert list(seen.values()) == [
    "0.12.0",
    "unknown escape sequence 'd'",
    "unknown escape sequence 'd'",
    "unterminated quoted string `",
    [r"\n"],
    [r"/v\d+"],
], "it behaves otherwise now"
PYTHON
