# SPDX-License-Identifier: MIT
"""How to start a program of tests/e2e/programs in any language; skips where something is missing."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .daemon import ROOT

PROGRAMS = ROOT / "tests/e2e/programs"
CACHE = ROOT / ".cache/node"
NODE_PACKAGES = {"axios": "axios@1", "got": "got@13", "socks-proxy-agent": "socks-proxy-agent@8",
                 "undici": "undici@6"}
JARS = Path("/usr/share/java")
NETTY = ["netty-buffer", "netty-codec", "netty-codec-http", "netty-codec-socks", "netty-common",
         "netty-handler", "netty-handler-proxy", "netty-resolver", "netty-transport"]
CLASSPATHS = {
    "ApacheHttpClient4Api": ["httpclient", "httpcore", "commons-logging", "commons-codec"],
    "ApacheHttpClient5Api": ["httpclient5", "httpcore5", "httpcore5-h2", "slf4j-api", "slf4j-nop"],
    "NettyApi": NETTY,
    "clj_http_api": ["clojure", "clj-http", "httpclient", "httpcore", "httpmime", "commons-logging",
                     "commons-codec", "commons-io", "potemkin", "slingshot", "clj-tuple"],
}
# Half of the time that a short program takes with all of the compiler and the collector.
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
MODULES = {"requests": "requests", "httpx": "httpx", "aiohttp": "aiohttp"}


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")


def classpath(name):
    jars = [JARS / f"{jar}.jar" for jar in CLASSPATHS.get(name, [])]
    for jar in jars:
        if not jar.exists():
            pytest.skip(f"{jar} is not installed")
    return ["-cp", ":".join(map(str, jars))] if jars else []


def node_modules():
    """A folder with the packages of NODE_PACKAGES, from npm once and for all."""
    need("npm")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = CACHE / " ".join(["complete", *NODE_PACKAGES.values()])
        if not complete.exists():
            install = ["npm", "install", "--prefix", str(CACHE), "--no-audit", "--no-fund",
                       "--ignore-scripts", *NODE_PACKAGES.values()]
            done = subprocess.run(install, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                                  check=False)
            if done.returncode != 0:
                pytest.skip(f"npm has no packages to offer: {done.stderr.decode()[-200:]}")
            complete.touch()
    return CACHE


def go_program(source, folder):
    need("go")
    program = folder / source.stem
    environment = {**os.environ, "HOME": str(folder), "GOCACHE": str(ROOT / ".cache/go"),
                   "GO111MODULE": "off"}
    subprocess.run(["go", "build", "-o", str(program), str(source)], env=environment, check=True,
                   stdin=subprocess.DEVNULL, timeout=300)
    return [str(program)]


def command(source, folder):
    """The command that runs `source`; what must be made first is made in `folder`."""
    name = source.name.split("_")[0]
    if source.suffix == ".py":
        pytest.importorskip(MODULES.get(name, "json"))
        return [sys.executable, str(source)]
    if source.suffix == ".go":
        return go_program(source, folder)
    if source.suffix == ".java":
        need("javac", "java")
        return [*JAVA, *classpath(source.stem), str(source)]
    if source.suffix == ".clj":
        need("java")
        return [*JAVA, *classpath(source.stem), "clojure.main", str(source)]
    if source.suffix == ".mjs" and any(f"_{package}_" in source.name for package in NODE_PACKAGES):
        # Packages are looked for beside the program.
        source = Path(shutil.copy(source, node_modules() / source.name))
    interpreters = {".js": "node", ".mjs": "node", ".sh": "sh", ".rb": "ruby", ".pl": "perl",
                    ".php": "php"}
    interpreter = interpreters[source.suffix]
    need(interpreter, *([name] if interpreter == "sh" else []))
    return [interpreter, str(source)]
