# SPDX-License-Identifier: MIT
"""A Chromium without a window, driven over the DevTools protocol through a pair of pipes.

Whatever the page's console says that is an error, whatever breaks its Content-Security-Policy, and
every address that it asks for is kept, so that a test can say that there was none.
"""

import base64
import fcntl
import json
import os
import queue
import shutil
import subprocess
import threading

from .wait import SCALE, wait_until

# What each named key is to the page; other keys are characters.
KEYS = {
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, None),
    "Tab": ("Tab", 9, None),
    "ArrowDown": ("ArrowDown", 40, None),
    "ArrowRight": ("ArrowRight", 39, None),
    "End": ("End", 35, None),
    " ": ("Space", 32, " "),
}


def find_chromium():
    return shutil.which("chromium") or shutil.which("chromium-browser")


def trust(home, authority):
    """A Chromium of this home looks here for authorities that its user has added."""
    database = home / ".pki/nssdb"
    database.mkdir(parents=True)
    for words in (["-N", "--empty-password"], ["-A", "-n", "hark", "-t", "C,,", "-i", str(authority)]):
        subprocess.run(["certutil", *words, "-d", f"sql:{database}"], check=True,
                       stdin=subprocess.DEVNULL, timeout=30 * SCALE)


class Browser:
    """One browser process; open() makes a page in a profile of its own. `login` is what its user
    types in where a proxy asks for a name and a password."""

    def __init__(self, folder, *flags, login=None):
        self.login = login
        commands, self.out = os.pipe()
        self.answers, answers = os.pipe()

        def hand_over():
            # It reads descriptor 3 and writes descriptor 4, which may be anything in this process.
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands, answers)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [
                find_chromium(),
                "--headless=new",
                "--no-sandbox",  # as root, and in containers
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                f"--user-data-dir={folder}",
                "--remote-debugging-pipe",
                *flags,
            ],
            preexec_fn=hand_over,
            pass_fds=(3, 4),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder), "NO_PROXY": "127.0.0.1"},
            start_new_session=True,
        )
        os.close(commands)
        os.close(answers)
        self.lock = threading.Lock()
        self.last_id = 0
        self.waiting = {}
        self.pages = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with os.fdopen(self.answers, "rb") as stream:
            rest = b""
            while data := os.read(stream.fileno(), 1 << 20):
                *messages, rest = (rest + data).split(b"\0")
                for message in messages:
                    self._take(json.loads(message))

    def _take(self, message):
        if "id" in message:
            self.waiting.pop(message["id"], queue.Queue()).put(message)
        elif message.get("sessionId") in self.pages:
            self.pages[message["sessionId"]].take(message["method"], message["params"])

    def post(self, method, session=None, answer=None, **parameters):
        """Asks for it without waiting; the answer is put into that queue, if there is one."""
        with self.lock:
            self.last_id += 1
            message = {"id": self.last_id, "method": method, "params": parameters}
            if session:
                message["sessionId"] = session
            if answer:
                self.waiting[self.last_id] = answer
            os.write(self.out, json.dumps(message).encode() + b"\0")

    def call(self, method, session=None, **parameters):
        answer = queue.Queue()
        self.post(method, session, answer, **parameters)
        reply = answer.get(timeout=20 * SCALE)
        assert "error" not in reply, f"{method}: {reply['error']}"
        return reply["result"]

    def open(self, url, **options):
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, context, **options)
        self.pages[session] = page
        page.start(url)
        return page

    def close(self):
        try:
            self.call("Browser.close")
        except (AssertionError, OSError, queue.Empty):
            self.process.kill()
        self.process.wait(10 * SCALE)
        os.close(self.out)


class Page:
    def __init__(self, browser, session, context, size=(1280, 800), dark=False, setup=""):
        self.browser, self.session, self.context = browser, session, context
        self.size, self.dark, self.setup = size, dark, setup
        self.complaints = []  # of the console, exceptions, broken policies
        self.requests = []  # addresses

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def take(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.complaints.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.complaints.append(f"{entry.get('source')}: {entry['text']} {entry.get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Fetch.requestPaused":
            self.browser.post("Fetch.continueRequest", self.session, requestId=params["requestId"])
        elif method == "Fetch.authRequired":
            assert params["authChallenge"]["source"] == "Proxy"
            user, password = self.browser.login.split(":")
            typed = {"response": "ProvideCredentials", "username": user, "password": password}
            self.browser.post("Fetch.continueWithAuth", self.session, requestId=params["requestId"],
                              authChallengeResponse=typed)

    def start(self, url):
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        if self.browser.login:
            self.call("Fetch.enable", handleAuthRequests=True)
        self.resize(*self.size)
        self.set_dark(self.dark)
        if self.setup:
            self.call("Page.addScriptToEvaluateOnNewDocument", source=self.setup)
        self.go(url)

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.protocol !== 'about:'")

    # -- looking -------------------------------------------------------------------------------

    def js(self, expression):
        """The value of an expression, which may be a promise."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, expression, seconds=10):
        def measure():
            try:
                return self.js(expression)
            except AssertionError as failure:
                # The page may be on its way to another address.
                if "context" in str(failure):
                    return None
                raise

        return wait_until(measure, f"{expression} in the page", seconds, every=0.03)

    def text(self, selector):
        return self.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def wait_text(self, selector, text, seconds=10):
        query = f"[...document.querySelectorAll({json.dumps(selector)})].some(e => !e.hidden && e.innerText.includes({json.dumps(text)}))"
        try:
            return self.wait(query, seconds)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; there is {self.text(selector)!r}") from None

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    # -- doing ---------------------------------------------------------------------------------

    def resize(self, width, height):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )

    def set_dark(self, is_dark):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def click(self, selector):
        """With the mouse, in the middle of the first element that matches."""
        box = self.wait(
            f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            if (!e) return null;
            e.scrollIntoView({{block: 'nearest'}});
            const b = e.getBoundingClientRect();
            return b.width > 0 && [b.x + b.width / 2, b.y + b.height / 2]; }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def key(self, *names):
        for name in names:
            code, number, text = KEYS.get(name, (name, ord(name[0]), name))
            parameters = {"key": name, "code": code, "windowsVirtualKeyCode": number}
            self.call("Input.dispatchKeyEvent", type="keyDown", **parameters, **({"text": text} if text else {}))
            self.call("Input.dispatchKeyEvent", type="keyUp", **parameters)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def close(self):
        self.browser.pages.pop(self.session)
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)
