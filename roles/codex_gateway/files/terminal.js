// SPDX-License-Identifier: GPL-3.0-or-later
// Shows the terminal of one session. The server at the other end belongs to the session's user and is not trusted: of its
// messages, only the output of the terminal is used, and whatever would reach beyond the terminal is ignored.
"use strict";

const [, PLACE, SESSION] = location.pathname.split("/").map(decodeURIComponent);
const MAY_TYPE = PLACE === "type";
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

const term = new Terminal({ fontSize: 14, scrollback: 0, disableStdin: !MAY_TYPE, linkHandler: { activate() {} }, theme: { background: "#14171b" } });
const fit = new FitAddon.FitAddon();
const encoder = new TextEncoder();
const notice = document.getElementById("notice");
let socket = null, retry = FIRST_RETRY, unparsed = 0, paused = false, usesMouse = false;

function show(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

function send(kind, text) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(encoder.encode(kind + text));
}

function resize() {
  fit.fit();
  send(RESIZE, JSON.stringify({ columns: term.cols, rows: term.rows }));
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

function turnWheel(event) {
  if (MAY_TYPE && usesMouse && event.deltaY) send(INPUT, `\x1b[<${event.deltaY < 0 ? 64 : 65};1;1M`);
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
    fit.fit();
    own.send(encoder.encode(JSON.stringify({ AuthToken: "", columns: term.cols, rows: term.rows })));
    term.focus();
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

document.title = `${SESSION} · ${location.host}`;
term.loadAddon(fit);
for (const code of IGNORED_OSC) term.parser.registerOscHandler(code, () => true);
term.parser.registerCsiHandler({ prefix: "?", final: "h" }, followMouseMode(true));
term.parser.registerCsiHandler({ prefix: "?", final: "l" }, followMouseMode(false));
term.attachCustomWheelEventHandler(turnWheel);
term.attachCustomKeyEventHandler(pressKey);
if (MAY_TYPE) {
  term.onData((text) => send(INPUT, text));
  term.onBinary((text) => send(INPUT, text));
}
term.open(document.getElementById("terminal"));
new ResizeObserver(resize).observe(document.getElementById("terminal"));
// for tests and the console
window.term = term;
connect();
