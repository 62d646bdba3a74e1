// Keeps the page as it stands now: asks for it again every second and puts in what has changed.
import { refreshActions, startActions } from "./actions.js";
import { startCharts } from "./chart.js";

const EVERY = 1000;
const PIPELINE_EVERY = 2000;
const PATIENCE = 8000;

const raw = new WeakMap(); // what the server sent for a node, before times were put into words
let ahead = 0; // milliseconds by which the server's clock is ahead of ours
let last = "";
let etag = "";
let polling = null;

const now = () => Date.now() + ahead;

function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tellTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = Date.parse(element.dateTime);
    if (Number.isNaN(at)) continue;
    if (element.hasAttribute("data-ago")) put(element, `${span(now() - at)} ago`);
    else if (element.hasAttribute("data-until")) {
      const left = Math.ceil((at - now()) / 1000);
      put(element, left > 0 ? `in ${left} s` : "in a moment");
    } else put(element, new Date(at).toLocaleTimeString([], { hourCycle: "h23" }));
    if (!element.title) element.title = new Date(at).toLocaleString();
  }
}

const isList = (node) => node.tagName === "UL" || node.tagName === "OL";
const alike = (a, b) => a && !a.dataset?.key && a.nodeType === b.nodeType && a.nodeName === b.nodeName;

// Makes a node as the server now says it is. What did not change stays in place and keeps the focus.
function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // Whether something is unfolded is the reader's to say.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  // Between the items of a list there is nothing but white space.
  if (isList(old)) for (const node of [...old.childNodes]) if (node.nodeType === Node.TEXT_NODE) node.remove();
  const nodes = [...(isList(old) ? fresh.children : fresh.childNodes)];
  const known = new Map([...old.children].map((child) => [child.dataset.key, child]));
  const kept = new Set(nodes.map((node) => node.dataset?.key).filter(Boolean));
  for (const [key, child] of known) if (key && !kept.has(key)) child.remove();
  let at = old.firstChild;
  for (const node of nodes) {
    const key = node.dataset?.key;
    const match = key ? known.get(key) : alike(at, node) && at;
    if (!match) {
      old.insertBefore(node, at);
      if (key) node.classList.add("fresh");
      continue;
    }
    if (match === at) at = at.nextSibling;
    else old.insertBefore(match, at);
    morph(match, node);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function announce(fresh) {
  const changes = [];
  for (const part of fresh.querySelectorAll("[data-live]")) {
    const after = part.querySelector("ul.replicas");
    const before = document.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"] ul.replicas`);
    if (!after || !before) continue;
    const changed = ["count", "reason", "pause"].some((name) => before.dataset[name] !== after.dataset[name]);
    if (changed) {
      const name = part.dataset.live.split("/").pop();
      const said = part.querySelector(".decision")?.firstChild?.textContent.trim() ?? "";
      changes.push(`${name}: ${after.dataset.count} replicas. ${said}`);
    }
  }
  // Of many services at once nobody could listen to all.
  if (changes.length) put(document.getElementById("announce"), changes.slice(0, 3).join(" "));
}

function take(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const parts = [...fresh.querySelectorAll("[data-live]")];
  const there = new Set([...document.querySelectorAll("[data-live]")].map((part) => part.dataset.live));
  if (parts.length !== there.size || parts.some((part) => !there.has(part.dataset.live))) {
    if (!document.querySelector("dialog[open]")) location.reload(); // services have come or gone
    return;
  }
  announce(fresh);
  for (const part of parts) {
    const old = document.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    const text = part.innerHTML;
    if (raw.get(old) !== text) morph(old, part);
    raw.set(old, text);
  }
  refreshActions();
}

function connected(error) {
  const line = document.getElementById("connection");
  line.hidden = !error;
  put(line, error ? `The scaler does not answer: ${error}. Trying again; what is shown may be old.` : "");
  document.body.classList.toggle("stale", Boolean(error));
}

async function poll() {
  const query = new URLSearchParams(location.search);
  query.set("part", "live");
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch(`/?${query}`, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    const sent = Date.parse(answer.headers.get("Alertscale-Now"));
    if (sent) ahead = sent - Date.now();
    if (answer.status !== 304) {
      const text = await answer.text();
      if (!answer.ok) throw new Error(`it answers ${answer.status}`);
      etag = answer.headers.get("ETag") ?? "";
      if (text !== last) take(text);
      last = text;
    }
    connected("");
  } catch (error) {
    etag = "";
    connected(error.name === "TimeoutError" ? "no answer in time" : error.message);
  }
  tellTimes();
}

export function pollNow() {
  polling ??= poll().finally(() => { polling = null; });
  return polling;
}

async function pollPipeline() {
  try {
    const answer = await fetch("/api/v1/pipeline", { signal: AbortSignal.timeout(PATIENCE) });
    for (const station of (await answer.json()).stations ?? []) light(station);
  } catch {
    return; // the poll of the page says that the scaler does not answer
  }
}

function light(station) {
  const item = document.querySelector(`[data-station="${CSS.escape(station.name)}"]`);
  if (!item) return;
  item.className = `station ${station.light}`;
  put(item.querySelector(".word"), station.light);
  put(item.querySelector(".text"), station.text);
  const time = item.querySelector("time");
  time.dateTime = station.proof ?? "";
  time.title = "";
  if (!station.proof) put(time, "not seen yet");
}

function every(milliseconds, work) {
  const run = async () => {
    if (!document.hidden) await work();
    setTimeout(run, milliseconds);
  };
  run();
}

function startFilters() {
  const form = document.querySelector("form.filters");
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => {
    const query = new URLSearchParams(new FormData(form));
    history.replaceState(null, "", `/?${query}#events`);
    pollNow().then(pollNow);
  });
}

put(document.getElementById("zone"), Intl.DateTimeFormat().resolvedOptions().timeZone);
startActions(pollNow);
startCharts();
startFilters();
tellTimes();
every(EVERY, pollNow);
every(PIPELINE_EVERY, pollPipeline);
setInterval(tellTimes, 250);
document.addEventListener("visibilitychange", () => { if (!document.hidden) pollNow(); });
