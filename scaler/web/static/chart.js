// The chart of one service, drawn by uPlot from the scaler's /api/v1/history.
const FAST = 5000;
const SLOW = 30000;
const PATIENCE = 10000;
const ROWS = 24;
const NEAR = 10; // pixels

const percent = (value) => (value == null ? "–" : `${(value * 100).toFixed(1)} %`);
const whole = (value) => (value == null ? "–" : String(value));
const seconds = (time) => Date.parse(time) / 1000;
const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hourCycle: "h23" });
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const lineOf = (threshold) => (/cpu/.test(threshold.metric) ? "cpu" : /memory/.test(threshold.metric) ? "memory" : "");

class Chart {
  constructor(details) {
    this.details = details;
    this.service = details.dataset.chart;
    this.plot = details.querySelector(".plot");
    this.due = 0;
    details.hidden = false;
    details.addEventListener("toggle", () => this.refresh(true));
    details.querySelector(".ranges").addEventListener("change", () => this.refresh(true));
    details.querySelector(".values").addEventListener("toggle", () => this.writeTable());
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(this.plot);
    new IntersectionObserver(([entry]) => {
      this.visible = entry.isIntersecting;
      this.refresh(false);
    }).observe(details);
  }

  get range() {
    return this.details.querySelector(".ranges input:checked").value;
  }

  async refresh(atOnce) {
    if (!this.details.open || !(this.visible || atOnce) || (!atOnce && Date.now() < this.due)) return;
    const range = this.range;
    this.due = Date.now() + (range === "15m" || range === "1h" ? FAST : SLOW);
    try {
      const query = new URLSearchParams({ service: this.service, range });
      const answer = await fetch(`/api/v1/history?${query}`, { signal: AbortSignal.timeout(PATIENCE) });
      const data = await answer.json();
      if (range === this.range) this.show(answer.ok ? data : { ...EMPTY, error: data.error });
    } catch (error) {
      this.say(`No figures: ${error.message}.`);
    }
  }

  say(text) {
    const line = this.details.querySelector(".said");
    if (line.textContent !== text) line.textContent = text;
  }

  show(data) {
    this.data = { ...data, times: data.times.map(seconds) };
    const measured = data.times.length && ["replicas", "cpu", "memory"].some((n) => data[n].some((v) => v !== null));
    if (data.error) this.say(`No figures from Prometheus: ${data.error}`);
    else this.say(measured ? "" : "Prometheus has no figures of this service in that time yet.");
    this.writeThresholds();
    this.writeTable();
    if (globalThis.uPlot) this.draw();
    else this.say("The chart's library is not there; open the table.");
  }

  columns() {
    const { times, replicas, cpu, memory } = this.data;
    return [times, replicas, cpu, memory];
  }

  draw() {
    this.plot.hidden = !this.data.times.length;
    if (this.plot.hidden) return;
    if (this.drawn && this.scheme === colour("ink")) {
      this.drawn.setData(this.columns());
      return;
    }
    this.drawn?.destroy();
    this.scheme = colour("ink");
    this.drawn = new uPlot(this.options(), this.columns(), this.plot);
  }

  options() {
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid") } };
    const line = (label, scale, name, value, more) => ({
      label, scale, stroke: colour(name), width: 2, value: (_plot, v) => value(v), points: { show: false }, ...more,
    });
    return {
      ...this.size(),
      padding: [12, 14, 0, 0],
      cursor: { y: false, points: { size: 7 }, drag: { setScale: false, x: false } },
      legend: { live: true },
      scales: {
        x: { time: true },
        n: { range: (_plot, _low, high) => [0, Math.max(4, Math.ceil((high ?? 0) * 1.25))] },
        "%": { range: (_plot, _low, high) => [0, Math.max(1, Math.ceil((high ?? 0) * 10) / 10)] },
      },
      axes: [
        { ...axis, values: (_plot, splits, _axis, _space, step) => splits.map((s) => new Date(s * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: step < 60 ? "2-digit" : undefined, hourCycle: "h23" })), space: 64 },
        { ...axis, scale: "n", size: 34, incrs: [1, 2, 5, 10, 20, 50, 100], values: (_plot, splits) => splits.map(String) },
        { ...axis, scale: "%", side: 1, size: 50, grid: { show: false }, values: (_plot, splits) => splits.map((v) => `${Math.round(v * 100)} %`) },
      ],
      series: [
        { label: "time", value: (_plot, at) => (at == null ? "–" : clock(at)) },
        line("replicas", "n", "replicas", whole, { paths: uPlot.paths.stepped({ align: 1 }), fill: colour("replicas-fill") }),
        line("CPU", "%", "cpu", percent, {}),
        line("memory", "%", "memory", percent, {}),
      ],
      hooks: { draw: [(plot) => this.drawThresholds(plot), (plot) => this.drawMarks(plot)], setCursor: [(plot) => this.near(plot)] },
    };
  }

  size() {
    return { width: Math.max(240, this.plot.clientWidth), height: this.plot.clientWidth < 520 ? 200 : 260 };
  }

  resize() {
    if (!this.drawn || !this.plot.clientWidth) return;
    const size = this.size();
    if (size.width !== this.drawn.width) this.drawn.setSize(size);
  }

  drawThresholds(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.lineWidth = devicePixelRatio;
    for (const threshold of this.data.thresholds) {
      const name = lineOf(threshold);
      if (!name || threshold.value === null) continue;
      const y = plot.valToPos(threshold.value, "%", true);
      if (y < bbox.top) continue;
      ctx.strokeStyle = colour(name);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      this.nameThreshold(plot, threshold, name, y);
    }
    ctx.restore();
  }

  // Each resource's names stand at an end of their own: two lines may lie close together.
  nameThreshold({ ctx, bbox }, threshold, name, y) {
    const left = name === "cpu";
    const x = left ? bbox.left + 4 * devicePixelRatio : bbox.left + bbox.width - 4 * devicePixelRatio;
    const text = `${threshold.alertname} ${Number((threshold.value * 100).toFixed(1))} %`;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = left ? "left" : "right";
    ctx.textBaseline = "bottom";
    ctx.setLineDash([]);
    ctx.lineWidth = 4 * devicePixelRatio;
    ctx.strokeStyle = colour("card");
    ctx.fillStyle = colour(name);
    ctx.strokeText(text, x, y - devicePixelRatio);
    ctx.fillText(text, x, y - devicePixelRatio);
    ctx.restore();
  }

  drawMarks(plot) {
    const { ctx, bbox } = plot;
    const size = 5 * devicePixelRatio;
    ctx.save();
    for (const mark of this.data.marks) {
      const x = plot.valToPos(seconds(mark.at), "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.fillStyle = colour(mark.kind === "alert" ? "alert" : mark.reason === "done" ? "step" : "bad");
      // An alert hangs from the top, a step stands on the ground: told apart without their colours.
      const [base, tip] = mark.kind === "alert" ? [bbox.top, bbox.top + 1.7 * size] : [bbox.top + bbox.height, bbox.top + bbox.height - 1.7 * size];
      ctx.beginPath();
      ctx.moveTo(x - size, base);
      ctx.lineTo(x + size, base);
      ctx.lineTo(x, tip);
      ctx.fill();
    }
    ctx.restore();
  }

  near(plot) {
    const line = this.details.querySelector(".near");
    const { left } = plot.cursor;
    const close = left < 0 ? [] : this.data.marks.filter((mark) => Math.abs(plot.valToPos(seconds(mark.at), "x") - left) < NEAR);
    const text = close.slice(-3).map((mark) => `${clock(seconds(mark.at))} ${mark.text}`).join(" · ");
    if (line.textContent !== text) line.textContent = text;
  }

  key(event) {
    const keys = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!this.drawn || !(event.key in keys)) return;
    event.preventDefault();
    const times = this.data.times;
    const from = this.drawn.cursor.idx ?? times.length - 1;
    const index = Math.min(times.length - 1, Math.max(0, from + keys[event.key]));
    this.drawn.setCursor({ left: this.drawn.valToPos(times[index], "x"), top: 10 });
    const [time, replicas, cpu, memory] = this.columns().map((column) => column[index]);
    this.details.querySelector(".near").textContent = `${clock(time)}: ${whole(replicas)} replicas, CPU ${percent(cpu)}, memory ${percent(memory)}`;
  }

  writeThresholds() {
    const list = this.details.querySelector(".thresholds");
    const items = this.data.thresholds.map((threshold) => {
      const item = document.createElement("li");
      item.className = lineOf(threshold);
      const compared = threshold.value === null ? threshold.expression : `${threshold.scale === "up" ? "over" : "under"} ${percent(threshold.value)}`;
      const held = threshold.for_seconds ? ` for ${threshold.for_seconds} s` : "";
      item.textContent = `${threshold.alertname}: ${threshold.resource} ${compared}${held}`;
      return item;
    });
    list.replaceChildren(...items);
  }

  writeTable() {
    const place = this.details.querySelector(".values .scroll");
    if (!this.data || !this.details.querySelector(".values").open) return;
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    for (const text of ["time", "replicas", "CPU", "memory"]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = text;
      head.append(cell);
    }
    const body = table.createTBody();
    const [times, replicas, cpu, memory] = this.columns();
    const stride = Math.max(1, Math.ceil(times.length / ROWS));
    for (let index = times.length - 1; index >= 0; index -= stride) {
      const row = body.insertRow();
      for (const text of [clock(times[index]), whole(replicas[index]), percent(cpu[index]), percent(memory[index])]) {
        row.insertCell().textContent = text;
      }
    }
    place.replaceChildren(table);
  }
}

const EMPTY = { times: [], replicas: [], cpu: [], memory: [], thresholds: [], marks: [], error: "" };

export function startCharts() {
  const charts = [...document.querySelectorAll("[data-chart]")].map((details) => new Chart(details));
  setInterval(() => { if (!document.hidden) charts.forEach((chart) => chart.refresh(false)); }, 1000);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.refresh(true)));
}
