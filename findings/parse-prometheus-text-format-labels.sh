#!/usr/bin/env bash
# parse-prometheus-text-format 1.1.1 (npm): of a histogram with labels one series is left, and not its labels.
#
# Guess: as its README shows of a counter, and of a summary that has but sum and count, each set of labels is an
# entry of its own: two routes are two entries, with labels, buckets, sum and count.
# Seen: one entry, without labels, sum and count; its buckets are those of the last series of the exposition, and so
# are the quantiles of a summary. A histogram without labels has all of it.
# So the latency that a proxy or a client library exposes by route is one route's, and nothing tells which. Way
# out: leave out the line # TYPE, then each is a sample with its labels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" parse-prometheus-text-format@1.1.1
cd "$folder"
node --input-type=commonjs - <<'NODE'
const assert = require("node:assert");
const parse = require("parse-prometheus-text-format");

const series = (labels, fast, all) => `
latency_seconds_bucket{${labels}le="0.1"} ${fast}
latency_seconds_bucket{${labels}le="+Inf"} ${all}
latency_seconds_sum{${labels.slice(0, -1)}} 3
latency_seconds_count{${labels.slice(0, -1)}} ${all}
`;
const type = "# TYPE latency_seconds histogram";
const quantiles = '# TYPE wait summary\nwait{route="/a",quantile="0.5"} 1\nwait{route="/b",quantile="0.5"} 2\n';
const routes = series('route="/a",', 90, 100) + series('route="/b",', 1, 2);
const samples = (name, exposition) => parse(exposition).flatMap((of) => (of.name === name ? of.metrics : []));
const seen = {
  version: require("parse-prometheus-text-format/package.json").version,
  "two routes": parse(type + routes)[0].metrics,
  "no labels": parse(type + series("", 90, 100))[0].metrics,
  "two routes, a summary": parse(quantiles)[0].metrics,
  "two routes, no type": samples("latency_seconds_count", routes),
};
console.log(JSON.stringify(seen, null, 1));
assert.deepStrictEqual(
  seen,
  {
    version: "1.1.1",
    "two routes": [{ buckets: { 0.1: "1", "+Inf": "2" } }],
    "no labels": [{ buckets: { 0.1: "90", "+Inf": "100" }, sum: "3", count: "100" }],
    "two routes, a summary": [{ quantiles: { 0.5: "2" } }],
    "two routes, no type": [
      { labels: { route: "/a" }, value: "100" },
      { labels: { route: "/b" }, value: "2" },
    ],
  },
  "it behaves otherwise now",
);
NODE
