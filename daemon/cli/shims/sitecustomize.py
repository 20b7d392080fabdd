# SPDX-License-Identifier: MIT
"""Made by hark: lets aiohttp, whose default is to use no proxy, take the one of the environment.

Python imports this at its start because PYTHONPATH names the folder. It gives way to the
sitecustomize that would have been imported without it, and does nothing else until a program
imports aiohttp. A session with a connector of its own kind, or with trust_env or a proxy given, is
left as it is. (trust_env=True for all would be simpler, but it also sends what is in ~/.netrc.)
"""

import os
import sys


def _route_by_environment(client):
    from urllib.parse import urlsplit
    from urllib.request import getproxies_environment, proxy_bypass_environment

    send = client.ClientSession._request

    def proxy_for(session, url):
        if session._trust_env or type(session._connector) is not client.TCPConnector:
            return None
        if getattr(session, "_default_proxy", None) is not None:
            return None
        build = getattr(session, "_build_url", str)
        parts = urlsplit(str(build(url)))
        if not parts.hostname or proxy_bypass_environment(parts.netloc.rpartition("@")[2]):
            return None
        scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
        return getproxies_environment().get(scheme)

    async def _request(self, method, str_or_url, **options):
        if options.get("proxy") is None:
            options["proxy"] = proxy_for(self, str_or_url)
        return await send(self, method, str_or_url, **options)

    client.ClientSession._request = _request


class _AfterImport:
    """A finder that lets the others find one module, and calls a function once it is loaded."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                self.function(module)

            spec.loader.exec_module = exec_module
        return spec


def _give_way():
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if sys.version_info >= (3, 6):
    sys.meta_path.insert(0, _AfterImport("aiohttp.client", _route_by_environment))
    _give_way()
