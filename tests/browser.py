"""A real browser for tests: Chromium without a window, driven by its own DevTools protocol over a pipe."""

import base64
import json
import os
import shutil
import subprocess
import time

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--remote-debugging-pipe",
]  # fmt: skip
PATIENCE = 60  # seconds until a browser that does not answer has failed


class Browser:
    """One page.  requests: the addresses that it asked for; faults: errors and warnings of its console."""

    def __init__(self, profile):
        to_read, its_output = os.pipe()
        its_input, to_write = os.pipe()

        def connect():  # the protocol's pipe is file descriptors 3 and 4
            a, b = os.dup(its_input), os.dup(its_output)
            os.dup2(a, 3)
            os.dup2(b, 4)

        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command, preexec_fn=connect, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(its_input)
        os.close(its_output)
        self._in, self._out = os.fdopen(to_write, "wb", buffering=0), os.fdopen(to_read, "rb", buffering=0)
        os.set_blocking(to_read, False)
        self._rest, self._number, self._session = b"", 0, None
        self.requests, self.faults = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._in.close()
        self._out.close()

    def call(self, method, **params):
        """Ask the browser for something, and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._in.write(json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for answer in self._messages():
                if answer.get("id") == self._number:
                    assert "error" not in answer, answer["error"]
                    return answer["result"]
                self._note(answer)
        raise AssertionError(f"the browser does not answer to {method}")

    def _messages(self):
        time.sleep(0.005)
        while (chunk := self._out.read(1 << 16)) is not None:
            assert chunk, "the browser has ended"
            self._rest += chunk
        *texts, self._rest = self._rest.split(b"\0")
        return [json.loads(text) for text in texts]

    def _note(self, event):
        params = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.faults.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning"):
                self.faults.append(str(params["args"]))
            case "Log.entryAdded":
                self.faults.append(params["entry"]["text"])

    def open(self, path):
        """Open a file from the disk, and wait until it is there."""
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.readyState === 'complete'")

    def ask(self, expression):
        """The value of some JavaScript; of a promise, what it comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression, seconds=20):
        """Until an expression is true."""
        end = time.monotonic() + seconds
        while not self.ask(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.03)

    def size(self, width, height=900, dark=False):
        """The window's size, and the colour scheme that its owner prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def click(self, selector, x=None, y=None):
        """Press the mouse on an element, at its middle or at a point inside of it."""
        self.ask(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        left, top, width, height = self.ask(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [b.left, b.top, b.width, b.height]; })()"
        )
        place = {"x": left + (width / 2 if x is None else x), "y": top + (height / 2 if y is None else y)}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def press(self, key, code=None, text=""):
        """Press a key."""
        named = {"key": key, "code": code or key, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper()))}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **named)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def picture(self, path):
        """A picture of the whole page."""
        png = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(png))


KEYS = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39, "Home": 36, " ": 32}
