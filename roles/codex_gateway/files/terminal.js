// SPDX-License-Identifier: GPL-3.0-or-later
// Shows the terminal of one session. The server at the other end belongs to the session's user and is not trusted: of its
// messages, only the output of the terminal is used, and whatever would reach beyond the terminal is ignored.
"use strict";

const [, PLACE, SESSION] = location.pathname.split("/").map(decodeURIComponent);
const WORKER = document.querySelector('meta[name="worker"]').content;
const MAY_TYPE = PLACE === "type";
// columns and rows: the smallest size, the size until the session's is known, and the largest that a session may claim
const LEAST = [80, 24], INITIAL = [200, 50], MOST = [500, 200];
// pixels: the letters of a writer; of a watcher, who sees the whole window of the session, the smallest and the largest
const FONT = 14, FONT_LEAST = 8, FONT_MOST = 22;
// pixels that a wheel or a touchpad moves for one notch
const NOTCH = 50;
// the first byte of a message of ttyd's protocol; a server can also send titles (1) and preferences (2)
const OUTPUT = "0".charCodeAt(0);
const INPUT = "0", RESIZE = "1", PAUSE = "2", RESUME = "3";
// bytes that were received but not parsed: when to ask the server for a pause, when to resume, and when to disconnect
const PAUSE_AT = 1 << 19, RESUME_AT = 1 << 17, DISCONNECT_AT = 1 << 22;
// milliseconds
const FIRST_RETRY = 1000, LAST_RETRY = 10000;
// OSC sequences: working directory, link, notification, clipboard, and extensions of iTerm2
const IGNORED_OSC = [7, 8, 9, 52, 1337];
const MOUSE_MODES = [9, 1000, 1001, 1002, 1003, 1005, 1006, 1015, 1016];

// without room between the lines, some fonts lose their underscores
const term = new Terminal({ fontSize: FONT, lineHeight: 1.1, scrollback: 0, disableStdin: !MAY_TYPE, linkHandler: { activate() {} }, theme: { background: "#14171b" } });
const fit = new FitAddon.FitAddon();
const encoder = new TextEncoder();
const frame = document.getElementById("terminal"), notice = document.getElementById("notice");
let socket = null, retry = FIRST_RETRY, unparsed = 0, paused = false, usesMouse = false, turned = 0;
// for a watcher: the size of the session's window that is shown, and the one that the session has claimed since
let shownSize = INITIAL, claimedSize = null;

function show(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

function send(kind, text) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(encoder.encode(kind + text));
}

const box = () => term.element.querySelector(".xterm-screen").getBoundingClientRect();

// a writer's terminal fills the page, and the session follows it
function fillPage() {
  const room = fit.proposeDimensions();
  if (room) term.resize(Math.max(room.cols, LEAST[0]), Math.max(room.rows, LEAST[1]));
}

// a watcher's terminal has the size of the session's window, in the largest letters with which it fits into the page
function showWindow([columns, rows]) {
  term.resize(columns, rows);
  const style = getComputedStyle(term.element);
  const width = frame.clientWidth - 2 * parseFloat(style.paddingLeft), height = frame.clientHeight - 2 * parseFloat(style.paddingTop);
  const fits = () => box().width <= width && box().height <= height;
  const ratio = Math.min(width / box().width, height / box().height);
  let size = Math.min(Math.max(Math.ceil(4 * ratio * term.options.fontSize) / 4 + 1, FONT_LEAST), FONT_MOST);
  term.options.fontSize = size;
  // letters do not grow evenly
  while (size > FONT_LEAST && !fits()) term.options.fontSize = size -= 0.25;
}

function resize() {
  if (MAY_TYPE) fillPage();
  else showWindow(shownSize);
  send(RESIZE, JSON.stringify({ columns: term.cols, rows: term.rows }));
}

// the session's tmux sends a watcher the size of its window as a title; other titles are ignored
function readTitle(text) {
  const found = MAY_TYPE ? null : /^(\d{1,4})x(\d{1,4})$/.exec(text);
  if (found) {
    // a session may claim many sizes, and the page is drawn once
    if (!claimedSize) requestAnimationFrame(showClaimed);
    claimedSize = [0, 1].map((side) => Math.min(Math.max(Number(found[side + 1]), LEAST[side]), MOST[side]));
  }
  return true;
}

function showClaimed() {
  const isNew = claimedSize.join() !== shownSize.join();
  shownSize = claimedSize;
  claimedSize = null;
  if (isNew) resize();
}

// the page handles the wheel itself, so that a drag selects text although the session uses the mouse
function followMouseMode(isOn) {
  return (params) => {
    const modes = params.flat();
    if (!modes.some((mode) => MOUSE_MODES.includes(mode))) return false;
    usesMouse = isOn;
    return modes.every((mode) => MOUSE_MODES.includes(mode));
  };
}

function notches(event) {
  // other units than pixels are those of a wheel with notches
  if (event.deltaMode !== WheelEvent.DOM_DELTA_PIXEL || Math.abs(event.deltaY) >= NOTCH) {
    turned = 0;
    return Math.sign(event.deltaY);
  }
  turned += event.deltaY;
  const whole = Math.trunc(turned / NOTCH);
  turned -= whole * NOTCH;
  return whole;
}

function turnWheel(event) {
  const end = frame.scrollHeight - frame.clientHeight;
  // first scrolls the page itself, if it is too small; with Ctrl it is zoomed
  const scrollsPage = event.ctrlKey || (event.deltaY < 0 ? frame.scrollTop > 0 : frame.scrollTop < end - 1);
  if (MAY_TYPE && usesMouse && !scrollsPage) {
    const { left, top, width, height } = box();
    const place = (offset, size, cells) => Math.min(Math.max(Math.floor((offset / size) * cells) + 1, 1), cells);
    const where = `${place(event.clientX - left, width, term.cols)};${place(event.clientY - top, height, term.rows)}`;
    const count = notches(event);
    for (let each = 0; each < Math.abs(count); each++) send(INPUT, `\x1b[<${count < 0 ? 64 : 65};${where}M`);
  }
  // xterm.js would send it as arrow keys
  return false;
}

function pressKey(event) {
  if (event.type === "keydown" && event.ctrlKey && event.shiftKey && event.code === "KeyC" && term.hasSelection()) {
    event.preventDefault();
    navigator.clipboard.writeText(term.getSelection()).catch(() => {});
    return false;
  }
  return true;
}

function receive(own, data) {
  if (!(data instanceof ArrayBuffer) || !data.byteLength) return;
  const bytes = new Uint8Array(data);
  if (bytes[0] !== OUTPUT) return;
  if (unparsed + bytes.length > DISCONNECT_AT) {
    own.close();
    return;
  }
  unparsed += bytes.length;
  if (!paused && unparsed > PAUSE_AT) {
    paused = true;
    send(PAUSE, "");
  }
  term.write(bytes.subarray(1), () => {
    unparsed -= bytes.length;
    if (paused && unparsed < RESUME_AT) {
      paused = false;
      send(RESUME, "");
    }
  });
}

function connect() {
  const own = new WebSocket(`wss://${location.host}/${PLACE}/${encodeURIComponent(SESSION)}/ws`, ["tty"]);
  own.binaryType = "arraybuffer";
  own.onopen = () => {
    socket = own;
    paused = usesMouse = false;
    term.reset();
    try {
      resize();
    } finally {
      // without this message the session shows nothing
      own.send(encoder.encode(JSON.stringify({ AuthToken: "", columns: term.cols, rows: term.rows })));
    }
    term.focus();
    // codex is typed into at the bottom
    frame.scrollTop = frame.scrollHeight;
  };
  own.onmessage = (event) => {
    if (socket !== own) return;
    // a server that accepts connections and ends them is not asked more and more often
    retry = FIRST_RETRY;
    show("");
    receive(own, event.data);
  };
  own.onclose = () => {
    socket = null;
    show("Disconnected from the session. Trying again…");
    setTimeout(connect, retry);
    retry = Math.min(2 * retry, LAST_RETRY);
  };
}

document.title = `${SESSION} on ${WORKER}`;
term.loadAddon(fit);
for (const code of [0, 2]) term.parser.registerOscHandler(code, readTitle);
for (const code of IGNORED_OSC) term.parser.registerOscHandler(code, () => true);
term.parser.registerCsiHandler({ prefix: "?", final: "h" }, followMouseMode(true));
term.parser.registerCsiHandler({ prefix: "?", final: "l" }, followMouseMode(false));
term.attachCustomWheelEventHandler(turnWheel);
term.attachCustomKeyEventHandler(pressKey);
if (MAY_TYPE) {
  term.onData((text) => send(INPUT, text));
  term.onBinary((text) => send(INPUT, text));
}
term.open(frame);
new ResizeObserver(resize).observe(frame);
// for tests and the console
window.term = term;
connect();
