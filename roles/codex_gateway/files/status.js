// SPDX-License-Identifier: GPL-3.0-or-later
// Reads what sessions write about themselves. A session's user and its agent can write anything there, so values of another
// type are dropped, and text is shortened and is without characters that hide or reorder it. Pure functions.
"use strict";

// in the order of the page: the label, what a number of such sessions do, and a sign, because color is never the only one
const ACTIVITIES = {
  waiting: ["waits", "wait", "!"],
  failed: ["failed", "failed", "✕"],
  limited: ["limited", "limited", "◔"],
  working: ["works", "work", "●"],
  starting: ["starts", "start", "◌"],
  idle: ["idle", "idle", "○"],
  done: ["done", "done", "✓"],
  // there is no status, or none that this page understands
  unknown: ["without status", "without status", "–"],
};
const ORDER = Object.keys(ACTIVITIES);
const FORMAT = 1, MOST_TEXT = 400;
const SESSION_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const VERSION = /^\d[0-9A-Za-z.+-]{0,31}$/;

function clean(value) {
  if (typeof value !== "string") return null;
  const text = value.slice(0, 4 * MOST_TEXT)
    // line breaks and other control characters
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    // direction, joining and invisible characters, halves of characters, and fonts' own characters
    .replace(/[\p{Cf}\p{Cs}\p{Co}]+/gu, "")
    // marks that are stacked to cover other lines
    .replace(/(\p{M}{3})\p{M}+/gu, "$1")
    .replace(/\s+/gu, " ").trim();
  const letters = [...text];
  return (letters.length > MOST_TEXT ? `${letters.slice(0, MOST_TEXT).join("")}…` : text) || null;
}

const time = (value) => (typeof value === "string" && TIME.test(value) && Date.parse(value)) || null;
const count = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : null);

function readLimit(value) {
  if (!value || typeof value.used_percent !== "number" || !(value.used_percent >= 0)) return null;
  return { used: Math.min(Math.round(value.used_percent), 100), resets: time(value.resets_at) };
}

// returns null if it is not a status
function readStatus(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!value || value.format !== FORMAT || !ORDER.includes(value.activity)) return null;
  return {
    activity: value.activity,
    since: time(value.since),
    reason: clean(value.reason),
    progress: clean(value.progress),
    words: clean(value.last_message),
    turns: count(value.turns),
    tokens: count(value.tokens),
    limit: readLimit(value.limit),
    version: typeof value.codex_version === "string" && VERSION.test(value.codex_version) ? value.codex_version : null,
  };
}

const activityOf = (session) => (session.status ? session.status.activity : "unknown");
const compareNames = new Intl.Collator("en", { numeric: true }).compare;

// those that wait for a person first; of the same activity, the longest first
function compare(one, other) {
  const since = (session) => (session.status && session.status.since) || Number.MAX_SAFE_INTEGER;
  return ORDER.indexOf(activityOf(one)) - ORDER.indexOf(activityOf(other))
    || since(one) - since(other) || compareNames(one.name, other.name);
}

function summary(sessions) {
  const parts = ORDER.map((activity) => {
    const [one, many] = ACTIVITIES[activity], number = sessions.filter((session) => activityOf(session) === activity).length;
    return number && `${number} ${number === 1 ? one : many}`;
  });
  return parts.filter(Boolean).join(", ");
}

// each word must be in the name or in the activity
function matches(session, filter) {
  const text = `${session.name} ${activityOf(session)} ${ACTIVITIES[activityOf(session)].slice(0, 2).join(" ")}`.toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function duration(milliseconds) {
  const minutes = Math.floor(milliseconds / 60000);
  if (minutes < 1) return "< 1 min";
  if (minutes < 60) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60 / 24)} d`;
}

function short(number) {
  if (number < 1000) return `${number}`;
  return number < 999500 ? `${Math.round(number / 1000)}k` : `${(number / 1e6).toFixed(1)}M`;
}

function facts({ turns, tokens }) {
  return [
    turns === null ? "" : `${turns} turn${turns === 1 ? "" : "s"}`,
    tokens === null ? "" : `${short(tokens)} tokens`,
  ].filter(Boolean).join(" · ");
}

// what matters first: why it waits or failed, or how far it is; then its last words
function lines({ activity, reason, progress, words }) {
  const first = ["waiting", "failed", "limited"].includes(activity) ? reason || progress : progress;
  if (activity === "done" && words) return [words, progress];
  return first ? [first, words && words !== first ? words : null] : [words, null];
}
