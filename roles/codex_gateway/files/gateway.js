// SPDX-License-Identifier: GPL-3.0-or-later
// Shows the worker's live sessions and links to the terminals that this user may open.
"use strict";

const LIST = "/optio-codex-web/";
const PLACES = [["watch", "Watch"], ["type", "Type"]];
// milliseconds between two updates: at least EVERY, and EACH for each session, because nginx limits the request rate
const EVERY = 4000, EACH = 300;

const path = (place, name) => `/${place}/${encodeURIComponent(name)}/`;
const ask = (url) => fetch(url, { cache: "no-store", redirect: "error" });

// only a running terminal that this user may open answers 200; 403 is a missing right, 404 a session that ended
async function isOpen(place, name) {
  try {
    return (await ask(`${path(place, name)}token`)).status === 200;
  } catch {
    return false;
  }
}

async function look() {
  const answer = await ask(LIST);
  // no session was launched yet
  if (answer.status === 404) return [];
  if (!answer.ok) throw new Error(`the gateway answers ${answer.status}`);
  const names = (await answer.json()).filter((entry) => entry.type === "directory").map((entry) => entry.name);
  const seen = await Promise.all(names.map(async (name) => {
    const open = await Promise.all(PLACES.map(([place]) => isOpen(place, name)));
    return { name, places: PLACES.filter((_place, index) => open[index]) };
  }));
  return seen.filter((session) => session.places.length).sort((one, other) => one.name.localeCompare(other.name));
}

function row(session) {
  const item = document.createElement("li"), title = document.createElement("b");
  title.textContent = session.name;
  item.append(title);
  for (const [place, label] of session.places) {
    const link = document.createElement("a");
    link.href = path(place, session.name);
    link.className = place;
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = label;
    link.setAttribute("aria-label", `${label}: ${session.name}`);
    item.append(link);
  }
  return item;
}

let shown = null;

function show(sessions) {
  const state = document.getElementById("state");
  state.textContent = sessions.length ? `${sessions.length} live` : "No live sessions.";
  // an unchanged list keeps the focus
  const key = JSON.stringify(sessions);
  if (key !== shown) document.getElementById("sessions").replaceChildren(...sessions.map(row));
  shown = key;
}

async function keepLooking() {
  let count = 0;
  try {
    if (!document.hidden) {
      const sessions = await look();
      count = sessions.length;
      show(sessions);
    }
  } catch (error) {
    document.getElementById("state").textContent = `The list may be out of date: ${error.message}.`;
  }
  setTimeout(keepLooking, Math.max(EVERY, EACH * count));
}

document.getElementById("host").textContent = location.host;
document.addEventListener("visibilitychange", () => { if (!document.hidden) look().then(show).catch(() => {}); });
keepLooking();
