# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at a ttyd terminal: headless Chromium, driven through WebDriver.

The client is selenium with the distribution's own chromium and chromedriver (Debian: ``chromium`` and
``chromium-driver``, built from one source, so their versions always match). Playwright was the
alternative: it supports only the browser build it downloads itself, and its package is ten times larger.

    with Terminal("http://127.0.0.1:7681/") as terminal:
        terminal.wait_for("Ask Codex")
        terminal.type("hello")
        terminal.wait_for("You said: hello")
        terminal.screenshot(Path("session.png"))
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

POLL = 0.1
# codex takes keys closer than a few milliseconds for a paste, in which Enter is a line break.
KEY_PAUSE = 0.03
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)
# ttyd's page keeps its xterm.js in window.term; its buffer is what a person sees, whatever draws it.
READ_SCREEN = """
const term = window.term;
if (!term || !term.element) return null;
const buffer = term.buffer.active, lines = [];
for (let row = 0; row < term.rows; row++) {
  const line = buffer.getLine(buffer.viewportY + row);
  lines.push(line ? line.translateToString(true) : "");
}
return lines.join("\\n").trimEnd();
"""

# in a page that has loaded: whether one of its scripts has not
LOST_SCRIPTS = """
const isLoaded = (url) => performance.getEntriesByName(url).some((entry) => entry.responseStatus === 200);
return [...document.scripts].some((script) => script.src && !isLoaded(script.src));
"""

Answer = TypeVar("Answer")


class Terminal:
    """One browser with one ttyd page; a context manager that leaves no process and no profile.

    ``url`` is the terminal's address, ``size`` the window in CSS pixels, ``timeout`` (seconds) bounds the
    opening and every wait that names none. ``login`` is given where the address asks for one, and of certificates
    that no authority vouches for only the one with the ``pin`` is believed. Raises FileNotFoundError without a
    browser, TimeoutError when something does not show, ConnectionError when the page cannot be loaded.
    """

    def __init__(
        self,
        url: str,
        *,
        size: tuple[int, int] = (1600, 900),
        # of a slow machine too
        timeout: float = 90.0,
        login: tuple[str, str] | None = None,
        pin: str | None = None,
    ) -> None:
        self.url = url
        self.timeout = timeout
        self._login = login
        self._pin = pin
        self._size = size
        self._driver: Chrome | None = None
        self._profile: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Terminal:
        browser, driver = find_program(*BROWSERS), find_program("chromedriver")
        self._profile = tempfile.TemporaryDirectory(prefix="optio-codex-browser-")
        try:
            self._driver = Chrome(options=self._options(browser), service=ChromeService(executable_path=driver))
            self._driver.set_page_load_timeout(self.timeout)
            self._driver.set_script_timeout(self.timeout)
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and remove its profile; a second call does nothing."""
        driver, self._driver = self._driver, None
        profile, self._profile = self._profile, None
        try:
            if driver:
                driver.quit()
        finally:
            if profile:
                profile.cleanup()

    def load(self, address: str) -> None:
        """Open an address, at most three times while a script of its page was not loaded.

        Chromium cancels all requests if a network interface appears or goes, such as that of another fleet, and repeats only the page.
        """
        for _attempt in range(3):
            self.driver.get(address)
            if not self.driver.execute_script(LOST_SCRIPTS):
                return

    def text(self) -> str:
        """Return the visible lines of the terminal, without trailing blanks; empty while there is none."""
        screen = str(self.driver.execute_script(READ_SCREEN) or "")
        # blanks may be written ones or none
        return "\n".join(line.rstrip() for line in screen.split("\n"))

    def wait_for(self, text: str, timeout: float | None = None) -> str:
        """Return the screen once one of its lines contains ``text``; raise TimeoutError with the last screen."""
        return self.wait_until(lambda screen: text in screen, f"{text!r}", timeout)

    def wait_until(self, holds: Callable[[str], bool], what: str, timeout: float | None = None) -> str:
        """Return the first screen for which ``holds(screen)``; ``what`` names it in the TimeoutError."""
        limit = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        while True:
            screen = self.text()
            if holds(screen):
                return screen
            if time.monotonic() >= deadline:
                shown = screen or self.driver.execute_script("return document.body ? document.body.innerText : ''")
                raise TimeoutError(f"{self.url}: the terminal did not show {what} within {limit:g} s; it shows:\n{shown}")
            time.sleep(POLL)

    def settled(self) -> str:
        """Return the screen once it has stood still for a second."""
        screen, since = self.text(), time.monotonic()
        deadline = since + self.timeout
        while time.monotonic() < since + 1:
            time.sleep(POLL)
            before, screen = screen, self.text()
            if screen != before:
                since = time.monotonic()
            if since > deadline:
                raise TimeoutError(f"{self.url}: the terminal does not stand still; it shows:\n{screen}")
        return screen

    def type(self, text: str, *, enter: bool = True) -> None:
        """Type one line at a person's pace, see it appear, then press Enter unless ``enter`` is false.

        Raises ValueError for several lines, TimeoutError when the terminal does not echo the text.
        """
        if "\n" in text or not text:
            raise ValueError(f"{text!r}: type one line at a time, and no empty one; Enter comes by itself")
        self.driver.find_element(By.CSS_SELECTOR, "textarea.xterm-helper-textarea").click()
        self._press(*text)
        # The end of a long line is on one row of its own, and is what was typed last.
        self.wait_until(lambda screen: joined(text)[-40:] in joined(screen), f"the typed text {text!r}")
        if enter:
            self._press(Keys.ENTER)

    def view(self, width: int, height: int) -> None:
        """Make the page as large as a window of that size leaves it without the browser's own bars."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def grid(self) -> tuple[int, int]:
        """Return the columns and rows of the terminal."""
        columns, rows = self.driver.execute_script("return [term.cols, term.rows]")
        return columns, rows

    def turn_wheel(self, notches: int) -> None:
        """Turn the wheel over the middle of the terminal, up for a negative number, at a person's pace."""
        origin = ScrollOrigin.from_element(self._grid)
        for _notch in range(abs(notches)):
            ActionChains(self.driver).scroll_from_origin(origin, 0, 120 if notches > 0 else -120).pause(KEY_PAUSE).perform()

    def copy(self, text: str, *keys: str) -> str:
        """Select a text that is on the screen by dragging over it, with ``keys`` held, press Ctrl+Shift+C; return the clipboard."""
        line, row = next((line, row) for row, line in reversed(list(enumerate(self.text().splitlines()))) if text in line)
        columns, rows = self.grid()
        width, height = self._grid.rect["width"] / columns, self._grid.rect["height"] / rows
        # from the middle of the element, and within the first and the last letter
        left = round((line.index(text) + 0.2) * width - self._grid.rect["width"] / 2)
        top = round((row + 0.5) * height - self._grid.rect["height"] / 2)
        actions = ActionChains(self.driver)
        for key in keys:
            actions.key_down(key)
        actions.move_to_element_with_offset(self._grid, left, top).click_and_hold().move_by_offset(round((len(text) - 0.4) * width), 0)
        actions.release()
        for key in keys:
            actions.key_up(key)
        actions.perform()
        ActionChains(self.driver).key_down(Keys.CONTROL).key_down(Keys.SHIFT).send_keys("c").key_up(Keys.SHIFT).key_up(
            Keys.CONTROL
        ).perform()
        permissions = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
        self.driver.execute_cdp_cmd("Browser.grantPermissions", permissions)
        return str(self.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0], arguments[0])"))

    @property
    def _grid(self) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, ".xterm-screen")

    def screenshot(self, path: Path) -> Path:
        """Write what the browser shows as a PNG; return the path. Raises OSError when it cannot be written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.driver.get_screenshot_as_png())
        return path

    @property
    def driver(self) -> Chrome:
        """The WebDriver of the open browser, for what this class has no verb for."""
        if self._driver is None:
            raise RuntimeError(f"{self.url}: the browser is not open; use Terminal as a context manager")
        return self._driver

    def _press(self, *keys: str) -> None:
        actions = ActionChains(self.driver)
        for key in keys:
            actions.send_keys(key).pause(KEY_PAUSE)
        actions.perform()

    def _open(self) -> None:
        address = self.url
        if self._login:
            scheme, _slashes, rest = address.partition("://")
            address = f"{scheme}://{':'.join(quote(word) for word in self._login)}@{rest}"
        try:
            self.load(address)
        except WebDriverException as error:
            # Only the first line is the cause; browser version and native frames follow it.
            cause = (error.msg or "no reason given").splitlines()[0]
            raise ConnectionError(f"{self.url}: cannot be opened: {cause}; is ttyd (or its tunnel) up?") from None
        self.wait_until(bool, "anything (is this the address of a ttyd?)", self.timeout)

    def _options(self, browser: str) -> ChromeOptions:
        options = ChromeOptions()
        options.binary_location = browser
        # A proxy in the environment must not get the requests for the local driver.
        options.ignore_local_proxy_environment_variables()
        assert self._profile is not None
        width, height = self._size
        for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={self._profile.name}"):
            options.add_argument(flag)
        if self._pin:
            options.add_argument(f"--ignore-certificate-errors-spki-list={self._pin}")
        if os.geteuid() == 0:
            # Chromium refuses to start its sandbox as root.
            options.add_argument("--no-sandbox")
        return options


def joined(screen: str) -> str:
    """Return a screen without white space, so that text which the terminal wraps is found."""
    return "".join(screen.split())


def find_program(*names: str) -> str:
    """Return the path of the first program on PATH; raise FileNotFoundError that says what to install."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise FileNotFoundError(f"{names[0]}: is not on PATH; install the packages chromium and chromium-driver (Debian's names)")
