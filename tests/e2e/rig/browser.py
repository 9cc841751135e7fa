"""Chromium without a screen, asked and told over its DevTools pipe: descriptors 3 and 4, messages that end with a zero."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

from .process import Failure, Skip

ARGUMENTS = (
    "--headless", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
    "--hide-scrollbars", "--no-proxy-server",
)  # fmt: skip


class Browser:
    """One page. Use as a context manager."""

    def __init__(self, argv_of, folder):
        """`argv_of(*words)`: how to run a program where the page can be reached; `folder`: for what it writes."""
        if shutil.which("chromium") is None:
            raise Skip("chromium is not installed (scripts/install-dependencies browser)")
        asks, self.asks = os.pipe()
        self.hears, answers = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (asks, answers)]
        argv = argv_of("chromium", *ARGUMENTS, "--user-data-dir=" + os.path.join(folder, "chromium"), "about:blank")
        environment = {**os.environ, "HOME": folder}
        with open(os.path.join(folder, "chromium.log"), "wb") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(3, 4), env=environment,
                preexec_fn=lambda: (os.dup2(ends[0], 3), os.dup2(ends[1], 4)), start_new_session=True,
            )  # fmt: skip
        for end in (asks, answers, *ends):
            os.close(end)
        self.number, self.heard, self.session, self.events = 0, b"", None, []

    def __enter__(self):
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(domain + ".enable")
        return self

    def __exit__(self, *_):
        os.close(self.asks)  # it ends when nobody is there any more
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.hears)

    def _message(self, deadline):
        while b"\0" not in self.heard:
            if not select.select([self.hears], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failure("chromium does not answer")
            more = os.read(self.hears, 1 << 20)
            if not more:
                raise Failure("chromium has ended")
            self.heard += more
        message, _, self.heard = self.heard.partition(b"\0")
        return json.loads(message)

    def ask(self, method, seconds=20, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.asks, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + seconds
        while True:
            answer = self._message(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise Failure(f"chromium refuses {method}: {answer['error']['message']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def go(self, url):
        self.ask("Page.navigate", url=url)

    def evaluate(self, expression):
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise Failure(f"in the page: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def look(self, width, height=900, dark=False):
        """As a window of this size, in pixels, on a machine set to light or dark."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.ask("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])  # fmt: skip

    def screenshot(self, path):
        """All of the page, to its end."""
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def complaints(self):
        """What the page or the browser found wrong: exceptions, what a policy forbade, what did not load."""
        said = []
        for event in self.events:
            if event["method"] == "Runtime.exceptionThrown":
                said.append(event["params"]["exceptionDetails"].get("exception", {}).get("description", "an exception"))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                said.append(event["params"]["entry"]["text"])
        return said

    def requests(self):
        """Every address that was asked for."""
        return [event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
