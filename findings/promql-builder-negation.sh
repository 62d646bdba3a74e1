#!/usr/bin/env bash
# promql-builder 0.0.6 (Python, Grafana's): neg() of a sum negates its first term only.
#
# Guess: the operands of every operator are put in parentheses, as they are for add() and its like, so that the
# query means what was built: neg(add(1, 2)) is -3.
# Seen: -(1) + (2), which is 1. In a subtraction, sub(a, neg(sub(b, a))) becomes (a) - (-(b) - (a)).
# Likewise without the parentheses that matter: on([]), with which two vectors without a label in common are
# matched, is written as a bare "on", so that the right operand is read as its list of labels.
# So a query is wrong, and Prometheus takes it. Way out: sub(n(0), x) for neg(x); promql-parser tells for on([]).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check promql-builder==0.0.6 promql-parser==0.12.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import promql_parser
from promql_builder.builders import promql


def means(query):
    """What stands outermost, by a parser of PromQL."""
    try:
        return type(promql_parser.parse(str(query))).__name__
    except ValueError as error:
        return str(error)


a, b = promql.vector("a"), promql.vector("b")
total = promql.neg(promql.add(promql.n(1), promql.n(2)))
nested = promql.sub(a, promql.neg(promql.sub(b, a)))
unlabelled = promql.and_val(a, b).on([])
labelled = promql.and_val(a, b).on(["host"])
seen = {
    "promql-builder": version("promql-builder"),
    "neg(add(1, 2))": str(total),
    "is read as": means(total),
    "sub(a, neg(sub(b, a)))": str(nested),
    "sub(0, add(a, b))": str(promql.sub(promql.n(0), promql.add(a, b))),
    'on(["host"])': str(labelled),
    "on([])": str(unlabelled),
    "and that is": means(unlabelled),
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert list(seen.values()) == [
    "0.0.6",
    "-(1) + (2)",
    "BinaryExpr",
    "(a) - (-(b) - (a))",
    "(0) - ((a) + (b))",
    "(a) and on(host) (b)",
    "(a) and on(b)",
    "invalid promql query",
], "it behaves otherwise now"
PYTHON
