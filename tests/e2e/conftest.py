# SPDX-License-Identifier: MIT
"""Fixtures: `daemon` starts daemons of one's own, `hark` is one shared by the tests of a module."""

import shutil

import pytest
from harness import SCALE, Daemon, Nginx, RawClient, RawOrigin
from harness.browser import Browser, find_chromium
from harness.daemon import HARK
from harness.pki import Pki
from harness.tls import HOST, TlsClient, TlsOrigin

# The files that take longest begin first, so that at the end no core waits for one of them.
SLOW_FILES = ["clients", "clients_java", "store_faults", "playback", "ca", "replay_runs", "page",
              "page_actions", "page_corners", "page_exchange", "page_for_all", "recording", "prune",
              "redact", "retention", "package"]


def pytest_collection_modifyitems(items):
    ranks = {f"test_{name}": rank for rank, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


def pytest_configure():
    if not HARK.exists():
        raise pytest.UsageError(f"{HARK} is missing: build it, or name another in HARK")


@pytest.fixture
def daemon(tmp_path):
    """daemon(…) starts a Daemon in a folder of the test's; all of them end with the test."""
    started = []

    def start(*flags, **options):
        home = options.pop("home", tmp_path / f"home{len(started)}")
        started.append(Daemon(home, *flags, **options))
        return started[-1]

    yield start
    close_all(started)


class Shared:
    """One daemon for many tests, started again if a test has killed it."""

    def __init__(self, folder, **options):
        self.folder, self.options, self.runs, self.current = folder, options, 0, None

    def get(self):
        if self.current is None or not self.current.is_running():
            self.runs += 1
            self.current = Daemon(self.folder / f"run{self.runs}", **self.options)
        return self.current

    def close(self):
        if self.current is not None:
            self.current.close()


@pytest.fixture(scope="module")
def shared_daemon(request, tmp_path_factory):
    shared = Shared(tmp_path_factory.mktemp("hark"), **getattr(request.module, "DAEMON", {}))
    yield shared
    shared.close()


@pytest.fixture
def hark(shared_daemon):
    """The module's daemon; DAEMON in the module holds its options. A crash fails the test."""
    daemon = shared_daemon.get()
    yield daemon
    assert daemon.is_running(), f"hark ended with {daemon.process.returncode}:\n{daemon.stderr}"
    daemon.assert_clean()


@pytest.fixture
def origin():
    """origin(handler or bytes) starts a RawOrigin; all of them end with the test."""
    started = []

    def start(*args, **options):
        started.append(RawOrigin(*args, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def client():
    """client(daemon) opens a RawClient to it; all of them close with the test."""
    opened = []

    def connect(daemon, **options):
        opened.append(RawClient(getattr(daemon, "proxy_port", None) or daemon.port, **options))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    server = Nginx(tmp_path_factory.mktemp("nginx"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def tls_origin(pki):
    """tls_origin(handler or bytes, pair=…) starts a TlsOrigin; all of them end with the test."""
    started = []

    def start(*args, pair=None, **options):
        started.append(TlsOrigin((pair or pki.leaf).server_context(), *args, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def https_daemon(daemon, pki):
    """https_daemon(origin, …) starts a daemon that finds api.example.com:443 there."""

    def start(server, *settings, **options):
        lead = f"connect_to={HOST}:443:127.0.0.1:{server.port}"
        trust = f"upstream_ca_file={pki.root.certificate}"
        return daemon(settings=[lead, trust, *settings], **options)

    return start


@pytest.fixture
def tls_client():
    """tls_client(daemon, …) opens a TlsClient through it; all of them close with the test."""
    opened = []

    def connect(*args, **options):
        opened.append(TlsClient(*args, **options))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture(params=["with-daemon", "without-daemon"])
def ready(request):
    """ready(daemon): what lies between recording and what a command does with the recording."""

    def prepare(daemon):
        if request.param == "without-daemon":
            daemon.stop()

    return prepare


# --- the page in a browser -----------------------------------------------------------------------


@pytest.fixture
def recorder(daemon):
    return daemon(ui="127.0.0.1:0")


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if not find_chromium():
        pytest.skip("chromium is not installed")
    if SCALE > 1:
        pytest.skip("a sanitizer finds nothing in the page's scripts")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser):
    """open_page(daemon, path) opens the page as `hark ui` does, in a fresh profile.

    After the test the console must be free of errors, no policy may have been broken, and nothing
    may have been asked of any other address than the page's own.
    """
    opened = []

    def start(daemon, path="/", **options):
        address = daemon.cli("ui", "--print").stdout.strip()
        page = browser.open(address, **options)
        opened.append((daemon, page))
        page.wait("document.body.dataset.live === 'on'")
        if path != "/":
            page.go(daemon.page_url + path)
            page.wait("document.body.dataset.live === 'on'")
        return page

    yield start
    for daemon, page in opened:
        wrong = [text for text in page.complaints if not text.startswith("network:")]
        others = [u for u in page.requests if not u.startswith((daemon.page_url, "blob:"))]
        page.close()
        assert not wrong
        assert not others


def close_all(daemons):
    """Close every daemon, then report the first failure."""
    failures = []
    for one in daemons:
        try:
            one.close()
        except Exception as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
