"""Chromium without a screen, driven by its DevTools protocol: no driver of its own, no download."""

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 60.0
"""Seconds until a page that shows nothing new is given up: a busy machine needs a few."""

PHONE = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36"


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection, send: Callable[..., dict[str, Any]], session: str) -> None:
        self._socket, self._raw, self._session = socket, send, session
        self.send("Page.enable")
        self.send("Runtime.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        return self._raw(method, self._session, **params)

    def open(self, url: str) -> None:
        """Go to an address."""
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def reload(self) -> None:
        """Load it again."""
        self.run("window.old = true")
        self.send("Page.reload")
        self.until("!window.old && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        said = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in said:
            raise AssertionError(said["exceptionDetails"])
        return said["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression is true; while a page loads, nothing is."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            said = self.send("Runtime.evaluate", expression=script, returnByValue=True)
            if said.get("result", {}).get("value"):
                return
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}; the page shows: {self.run('document.body.innerText')[:500]}")

    def state(self, wanted: str) -> None:
        """Wait until the card page shows this state."""
        self.until(f"document.querySelector('main')?.dataset.state === '{wanted}'")

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """The size of the window in CSS pixels; with `phone`, also a phone's name and touch."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        if phone:
            self.send("Emulation.setUserAgentOverride", userAgent=PHONE)

    def picture(self, path: Path) -> None:
        """A picture of what is visible, as a PNG."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def in_window(self, script: str) -> None:
        """Run a script in the payment window: the frame over this page."""
        deadline = time.monotonic() + PATIENCE
        ready = (
            "location.pathname === '/v1/window' && document.readyState === 'complete' && document.forms.length === 1"
        )
        while time.monotonic() < deadline:
            for child in self.send("Page.getFrameTree")["frameTree"].get("childFrames", ()):
                world = self.send("Page.createIsolatedWorld", frameId=child["frame"]["id"])
                context = world.get("executionContextId")
                said = self.send("Runtime.evaluate", expression=f"({ready}) && ({script}, true)", contextId=context)
                if said.get("result", {}).get("value"):
                    return
            time.sleep(0.05)
        raise AssertionError("the payment window never opened")


@contextmanager
def chromium(folder: Path) -> Iterator[Callable[[], Page]]:
    """A browser with an empty profile; gives a function that opens tabs."""
    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += ["--remote-debugging-port=0", "--no-first-run", f"--user-data-dir={folder / 'profile'}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_address(folder / "profile", process), max_size=None, compression=None, proxy=None) as socket:
            numbers = itertools.count(1)

            def send(method: str, session: str | None, **params: Any) -> dict[str, Any]:
                ident = next(numbers)
                message = {"id": ident, "method": method, "params": params}
                socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
                while True:
                    said = json.loads(socket.recv(timeout=PATIENCE))
                    if said.get("id") == ident:
                        return dict(said.get("result", said.get("error", {})))

            def tab() -> Page:
                target = send("Target.createTarget", None, url="about:blank")["targetId"]
                return Page(
                    socket, send, send("Target.attachToTarget", None, targetId=target, flatten=True)["sessionId"]
                )

            yield tab
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Chromium writes its port, and the path of its socket, into its profile."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, "Chromium ended at its start"
        found = profile / "DevToolsActivePort"
        lines = found.read_text().split() if found.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise AssertionError("Chromium never listened")
