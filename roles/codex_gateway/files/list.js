// SPDX-License-Identifier: GPL-3.0-or-later
// The list on the page: rows, filter and keys. All that a session says is shown as text.
"use strict";

const PLACES = { watch: "Watch", type: "Type" };
// milliseconds without a move of the pointer, after which rows may change their places
const STILL = 3000;

const list = document.getElementById("sessions"), filter = document.getElementById("filter");
const rows = new Map();
let current = null, touched = 0, announced = null, shown = [];

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

// an unchanged text keeps a selection
function setText(target, text, title = "") {
  if (target.textContent !== text) target.textContent = text;
  if (target.title !== title) target.title = title;
}

function makeRow({ name }) {
  const item = element("li", "session");
  const row = { item };
  for (const [part, tag] of Object.entries({ sign: "span", activity: "span", since: "span", name: "h2", first: "p", more: "p", facts: "span", limit: "span", links: "span" })) {
    row[part] = element(tag, part);
  }
  row.sign.setAttribute("aria-hidden", "true");
  for (const part of ["activity", "since", "name"]) row[part].id = `${part}:${name}`;
  item.setAttribute("aria-labelledby", ["name", "activity", "since"].map((part) => `${part}:${name}`).join(" "));
  item.dataset.name = name;
  row.first.dir = row.more.dir = "auto";
  item.tabIndex = -1;
  row.used = element("progress", "used");
  row.used.max = 100;
  row.used.setAttribute("aria-hidden", "true");
  row.share = element("span", "share");
  row.limit.append(row.used, row.share);
  const state = element("span", "state"), main = element("div", "main"), side = element("div", "side");
  state.append(row.sign, row.activity, row.since);
  setText(row.name, name);
  main.append(row.first, row.more);
  side.append(row.facts, row.limit);
  item.append(state, row.name, main, side, row.links);
  return row;
}

function setLinks(row, name, terminals) {
  const key = terminals.join(" ");
  if (row.links.dataset.places === key) return;
  row.links.dataset.places = key;
  row.links.replaceChildren(...terminals.map((place) => {
    const link = element("a", place, PLACES[place]);
    link.href = path(place, name);
    link.target = "_blank";
    link.rel = "noopener";
    link.setAttribute("aria-label", `${PLACES[place]}: ${name}`);
    return link;
  }));
}

function setLimit(row, limit) {
  row.limit.hidden = !limit;
  if (!limit) return;
  row.used.value = limit.used;
  row.limit.classList.toggle("high", limit.used >= 90);
  setText(row.share, `${limit.used} % of limit`, limit.resets ? `resets ${new Date(limit.resets).toLocaleString()}` : "");
}

function fillRow(row, session) {
  const { status } = session, activity = activityOf(session);
  row.item.dataset.activity = activity;
  setText(row.sign, ACTIVITIES[activity][2]);
  setText(row.activity, session.isRead ? ACTIVITIES[activity][0] : "…");
  const since = status && status.since;
  setText(row.since, since ? duration(Math.max(0, now() - since)) : "", since ? `since ${new Date(since).toLocaleString()}` : "");
  const [first, more] = status ? lines(status) : [null, null];
  const resets = activity === "limited" && status.limit && status.limit.resets;
  const until = resets ? `${first || "usage limit"}, resets ${new Date(resets).toLocaleString([], { dateStyle: "short", timeStyle: "short" })}` : first;
  for (const [part, text] of [["first", until], ["more", more]]) {
    setText(row[part], text || "", text || "");
    row[part].hidden = !text;
  }
  setText(row.facts, status ? facts(status) : "", status && status.version ? `codex ${status.version}` : "");
  setLimit(row, status && status.limit);
  setLinks(row, session.name, session.terminals);
}

// a row does not move away from under a pointer
function place(ordered) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  if (Date.now() - touched < STILL) {
    list.append(...ordered.filter((row) => !row.item.isConnected).map((row) => row.item));
    return;
  }
  let next = list.firstElementChild;
  for (const { item } of ordered) {
    if (item === next) next = next.nextElementSibling;
    else list.insertBefore(item, next);
  }
  // a moved element loses the focus
  if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true });
}

function applyFilter() {
  const visible = shown.filter((session) => matches(session, filter.value.trim()));
  const names = new Set(visible.map((session) => session.name));
  for (const [name, row] of rows) row.item.hidden = !names.has(name);
  document.getElementById("none").hidden = !shown.length || visible.length > 0;
  if (!current || current.item.hidden || !current.item.isConnected) setCurrent(visibleRows()[0] || null);
}

// for people who hear the page: only what needs them, and only what is new
function announce() {
  const needy = shown.filter((session) => ["waiting", "failed"].includes(activityOf(session)));
  const texts = needy.map((session) => `${session.name} ${ACTIVITIES[activityOf(session)][0]}`);
  const news = announced && texts.filter((text) => !announced.has(text));
  announced = new Set(texts);
  if (news && news.length) document.getElementById("news").textContent = news.slice(0, 5).join(", ");
}

function show(visible) {
  shown = visible.sort(compare);
  const text = summary(shown);
  setText(document.getElementById("summary"), text || "No live sessions.");
  document.title = `${text || "no sessions"} · ${location.host}`;
  const names = new Set(shown.map((session) => session.name));
  for (const [name, row] of rows) {
    if (names.has(name)) continue;
    row.item.remove();
    rows.delete(name);
  }
  place(shown.map((session) => {
    if (!rows.has(session.name)) rows.set(session.name, makeRow(session));
    fillRow(rows.get(session.name), session);
    return rows.get(session.name);
  }));
  document.getElementById("tools").hidden = !shown.length;
  applyFilter();
  announce();
}

function showTrouble(text) {
  const trouble = document.getElementById("trouble");
  setText(trouble, text);
  trouble.hidden = !text;
}

const rowOf = (target) => rows.get(target.closest(".session").dataset.name);
const visibleRows = () => [...list.children].filter((item) => !item.hidden).map(rowOf);

// the row that the Tab key reaches
function setCurrent(row) {
  if (current) current.item.tabIndex = -1;
  current = row;
  if (row) row.item.tabIndex = 0;
}

function move(step) {
  const visible = visibleRows();
  if (!visible.length) return;
  const at = list.contains(document.activeElement) || Math.abs(step) > 1 ? visible.indexOf(current) + step : 0;
  const row = visible[Math.min(Math.max(at, 0), visible.length - 1)];
  row.item.focus({ preventScroll: true });
  row.item.scrollIntoView({ block: "nearest" });
}

function openLink(kind) {
  const link = current && list.contains(document.activeElement) && current.links.querySelector(`a.${kind}`);
  if (link) link.click();
  return Boolean(link);
}

const KEYS = {
  "/": () => { filter.focus(); filter.select(); },
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  Home: () => move(-Infinity),
  End: () => move(Infinity),
  t: () => openLink("type"),
  // a focused link has its own
  Enter: () => Boolean(current) && document.activeElement === current.item && openLink("watch"),
};
const FILTER_KEYS = {
  ArrowDown: () => move(0),
  Enter: () => move(0),
  Escape: () => { filter.value = ""; applyFilter(); move(0); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const keys = event.target === filter ? FILTER_KEYS : KEYS;
  if (!Object.hasOwn(keys, event.key) || keys[event.key]() === false) return;
  event.preventDefault();
});
list.addEventListener("focusin", (event) => {
  setCurrent(rowOf(event.target));
});
for (const kind of ["pointermove", "pointerdown"]) list.addEventListener(kind, () => { touched = Date.now(); });
filter.addEventListener("input", applyFilter);
document.getElementById("host").textContent = location.host;
