// SPDX-License-Identifier: GPL-3.0-or-later
// Follows the worker's sessions: one request for the list, and one for each session whose directory has changed since.
"use strict";

const LIST = "/optio-codex-web/";
// milliseconds between two looks at the list: while the page is visible, while it is hidden, and at most after errors
const EVERY = 4000, HIDDEN = 30000, LAST_RETRY = 60000;
const TIMEOUT = 10000;
// bytes of a status
const MOST_BYTES = 8192;
// requests for a status: at the same time, at once, and per second after these; nginx allows 200 at once and 20 per second
const PARALLEL = 16, AT_ONCE = 160, PER_SECOND = 8;
// a change may follow within the same second as the last one that the list shows; the clocks of files are a little late
const SETTLED_AFTER = 2000;
// the first list is shown with what is known after this time
const FIRST_SHOW = 700;

const sessions = new Map();
let allowance = AT_ONCE, allowedAt = Date.now();
// of the server's clock
let offset = 0;
let right = null, retry = EVERY, timer = 0, isLooking = false, hasList = false;

const now = () => Date.now() + offset;
const path = (place, name) => `/${place}/${encodeURIComponent(name)}/`;
// with the origin, because a login in the address of the page would be part of a relative URL, which fetch refuses
const ask = (url) => fetch(`${location.origin}${url}`, { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(TIMEOUT) });

class Refused extends Error {
  constructor(status) {
    super({ 401: "a login is needed", 403: "this user has no right to it", 429: "there were too many requests" }[status] || `the gateway answers ${status}`);
    this.status = status;
  }
}

async function readList() {
  const answer = await ask(LIST);
  offset = Date.parse(answer.headers.get("Date")) - Date.now() || 0;
  right = answer.headers.get("X-Codex-Right");
  // no session was launched yet
  if (answer.status === 404) return [];
  if (!answer.ok) throw new Refused(answer.status);
  return (await answer.json()).filter((entry) => entry.type === "directory" && SESSION_NAME.test(entry.name));
}

// adds and removes sessions, and marks those whose status must be read
function follow(entries) {
  const names = new Set(entries.map((entry) => entry.name));
  for (const name of sessions.keys()) if (!names.has(name)) sessions.delete(name);
  for (const { name, mtime } of entries) {
    const session = sessions.get(name) || {
      name, status: null, terminals: [], isRead: false, isDenied: false, isDue: true, seen: null, isSettled: true,
      place: right === "watch" ? "watch" : "type",
    };
    sessions.set(name, session);
    const age = now() - Date.parse(mtime);
    // a session whose directory is from the future is read when the time changes
    if (mtime !== session.seen || !session.isSettled) session.isDue = !session.isDenied;
    session.isSettled = Math.abs(age) >= SETTLED_AFTER;
    session.seen = mtime;
  }
}

// returns null if it is too long
async function readText(answer) {
  const reader = answer.body.getReader(), decoder = new TextDecoder();
  let text = "", size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > MOST_BYTES) {
      await reader.cancel();
      return null;
    }
    text += decoder.decode(value, { stream: true });
  }
}

async function readSession(session) {
  let answer = await ask(`${path(session.place, session.name)}status.json`);
  if (answer.status === 403 && session.place === "type") {
    session.place = "watch";
    allowance -= 1;
    answer = await ask(`${path(session.place, session.name)}status.json`);
  }
  session.isDenied = answer.status === 403;
  if (!answer.ok && !session.isDenied) throw new Refused(answer.status);
  const text = answer.status === 200 ? await readText(answer) : null;
  session.status = text === null ? null : readStatus(text);
  session.terminals = (answer.headers.get("X-Codex-Terminals") || "").split(" ").filter((place) => place === "watch" || place === session.place);
  session.isRead = true;
  session.isDue = false;
}

function takeAllowance() {
  allowance = Math.min(AT_ONCE, allowance + ((Date.now() - allowedAt) / 1000) * PER_SECOND);
  allowedAt = Date.now();
  if (allowance < 1) return false;
  allowance -= 1;
  return true;
}

// what is not read because of an error or of the allowance is due in the next round
async function readDue() {
  const due = [...sessions.values()].filter((session) => session.isDue);
  // those that were never read first, then those that wait longest for it
  due.sort((one, other) => one.isRead - other.isRead);
  let failure = null;
  const work = async () => {
    while (due.length && takeAllowance()) {
      await readSession(due.shift()).catch((error) => {
        failure = error;
        // other errors are of the one session
        if (!(error.status >= 500)) due.length = 0;
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, due.length) }, work));
  if (failure) throw failure;
}

// a session that was stopped has neither a terminal nor a status
const isShown = (session) => !session.isDenied && (!session.isRead || session.status || session.terminals.length);
const shownSessions = () => [...sessions.values()].filter(isShown);

async function look() {
  follow(await readList());
  const reading = readDue();
  if (!hasList) await Promise.race([reading.catch(() => {}), new Promise((resolve) => { setTimeout(resolve, FIRST_SHOW); })]);
  hasList = true;
  show(shownSessions());
  await reading;
  show(shownSessions());
}

async function keepLooking() {
  if (isLooking) return;
  isLooking = true;
  clearTimeout(timer);
  try {
    await look();
    retry = EVERY;
    showTrouble("");
  } catch (error) {
    retry = Math.min(2 * retry, LAST_RETRY);
    showTrouble(`The list may be out of date: ${error.name === "TypeError" || error.name === "TimeoutError" ? "the gateway does not answer" : error.message}. Trying again…`);
    if (hasList) show(shownSessions());
  }
  isLooking = false;
  timer = setTimeout(keepLooking, document.hidden ? Math.max(retry, HIDDEN) : retry);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) keepLooking(); });
keepLooking();
