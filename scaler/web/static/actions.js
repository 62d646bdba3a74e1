// What changes something: one more, one fewer, pause, resume. Each needs the token, which is asked for once.
const KEY = "alertscale-token";

let changed = () => {};

function ask(dialog) {
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
    dialog.returnValue = "";
    dialog.showModal();
  });
}

async function token(wrong = "") {
  const kept = sessionStorage.getItem(KEY);
  if (kept && !wrong) return kept;
  const dialog = document.getElementById("ask-token");
  const input = dialog.querySelector("input");
  dialog.querySelector(".wrong").textContent = wrong;
  input.value = "";
  const given = await ask(dialog);
  const text = input.value.trim();
  input.value = "";
  if (!given || !text) return "";
  sessionStorage.setItem(KEY, text);
  return text;
}

async function change(service, what, body) {
  const path = `/api/v1/services/${service.split("/").map(encodeURIComponent).join("/")}/${what}`;
  let wrong = "";
  for (;;) {
    const bearer = await token(wrong);
    if (!bearer) return "";
    // A header holds no other characters; the token is made of these.
    if (!/^[\x21-\x7e]+$/.test(bearer)) {
      wrong = "That is not a token.";
      continue;
    }
    const answer = await fetch(path, {
      method: "POST",
      headers: { Authorization: `Bearer ${bearer}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.status !== 401) return answer.ok ? "" : (await answer.json()).error;
    sessionStorage.removeItem(KEY);
    wrong = "The scaler does not know that token.";
  }
}

const list = (article) => article.querySelector("ul.replicas");

function count(article) {
  const { wanted, count: live } = list(article).dataset;
  return Number(wanted || live);
}

async function fewer(article, service) {
  const wanted = count(article) - 1;
  const dialog = document.getElementById("ask-removal");
  dialog.querySelector(".what").textContent =
    `${service} goes from ${wanted + 1} to ${wanted}. One replica finishes its requests, then it is removed.`;
  return (await ask(dialog)) ? change(service, "scale", { replicas: wanted }) : "";
}

const ACTIONS = {
  more: (article, service) => change(service, "scale", { replicas: count(article) + 1 }),
  fewer,
  pause: (_article, service) => change(service, "pause", { pause: "all" }),
  resume: (_article, service) => change(service, "pause", { pause: "none" }),
};

async function act(button) {
  const article = button.closest("article");
  let said = "";
  button.setAttribute("aria-busy", "true");
  try {
    said = await ACTIONS[button.dataset.action](article, article.dataset.service);
  } catch (error) {
    said = `The scaler does not answer: ${error.message}.`;
  }
  button.removeAttribute("aria-busy");
  tell(article, said);
  await changed();
}

function tell(article, said) {
  let line = article.querySelector(".refused");
  if (!line) {
    line = document.createElement("p");
    line.className = "refused fault";
    line.setAttribute("role", "alert");
    article.querySelector(".controls").after(line);
  }
  line.textContent = said;
}

export function refreshActions() {
  for (const article of document.querySelectorAll("article.service")) {
    const { min, max, pause } = list(article).dataset;
    const button = (name) => article.querySelector(`[data-action="${name}"]`);
    // aria-disabled rather than disabled: a button that has the focus keeps it.
    button("more").setAttribute("aria-disabled", String(!max || count(article) >= Number(max)));
    button("fewer").setAttribute("aria-disabled", String(!min || count(article) <= Number(min)));
    swap(button("pause"), button("resume"), pause !== "none");
    article.querySelector(".controls").hidden = !max;
  }
}

function swap(pause, resume, paused) {
  const focused = document.activeElement === pause || document.activeElement === resume;
  pause.hidden = paused;
  resume.hidden = !paused;
  if (focused) (paused ? resume : pause).focus();
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    // Only loopback and HTTPS have a clipboard: it is selected, to be copied by hand.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
    return;
  }
  button.textContent = "Copied";
}

export function startActions(poll) {
  changed = poll;
  document.addEventListener("click", (event) => {
    const copied = event.target.closest("button[data-copy]");
    if (copied) copy(copied);
    const button = event.target.closest("button[data-action]");
    if (button && button.getAttribute("aria-disabled") !== "true") act(button);
  });
  refreshActions();
}
