# SPDX-License-Identifier: MIT
"""The layer check finds each kind of violation, and nothing in a tree that keeps the rules."""

import pathlib
import subprocess

import pytest

CHECK = pathlib.Path(__file__).with_name("check")

GOOD_TREE = {
    "include/hark/err.h": "",
    "include/hark/target.h": '#include "hark/err.h"\n',
    "include/hark/store_reader.h": '#include "hark/target.h"\n',
    "include/hark/server.h": '#include "hark/store_reader.h"\n',
    "daemon/base/err.c": '#include "hark/err.h"\n#include "hark/version.h"\n',
    "daemon/http/target.c": '#include "hark/target.h"\n#include <curl/curl.h>\n',
    "daemon/store/reader.c": '#include "sql.h"\n#include "hark/store_reader.h"\n',
    "daemon/store/sql.h": "#include <sqlite3.h>\n",
    "daemon/proxy/server.c": '#include "hark/server.h"\n',
    "daemon/proxy/client.c": "#include <microhttpd.h>\n",
    "daemon/proxy/upstream.c": "#include <curl/curl.h>\n",
    "daemon/format/text.c": '#include "hark/store_reader.h"\n',
    "daemon/main.c": '#include "hark/server.h"\n',
}


def check(tree, files):
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return subprocess.run([CHECK, tree], stdout=subprocess.PIPE, text=True, check=False)


def test_tree_that_keeps_the_rules_passes(tmp_path):
    result = check(tmp_path, GOOD_TREE)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(
    "path, text, expected",
    [
        ("daemon/base/err.c", '#include "hark/target.h"', "base includes \"hark/target.h\""),
        ("include/hark/err.h", '#include "hark/server.h"', "base includes \"hark/server.h\""),
        ("daemon/format/text.c", '#include "hark/server.h"', "format includes \"hark/server.h\""),
        ("daemon/http/target.c", '#include "../store/sql.h"', "private header of another folder"),
        ("daemon/http/target.c", '#include "sql.h"', "is neither public nor a header of"),
        ("daemon/http/target.c", '#include "hark/none.h"', 'there is no "hark/none.h"'),
        ("include/hark/orphan.h", "\n", "belongs to no floor"),
        ("daemon/proxy/server.c", "# include <microhttpd.h>", "<microhttpd.h> is included only"),
        ("daemon/proxy/client.c", "#include <curl/curl.h>", "<curl/curl.h> is included only"),
        ("daemon/format/text.c", "#include <sqlite3.h>", "<sqlite3.h> is included only"),
    ],
)
def test_violation_is_reported_with_its_line(tmp_path, path, text, expected):
    result = check(tmp_path, GOOD_TREE | {path: f"// head\n{text}\n"})
    assert result.returncode == 1
    line = 1 if path == "include/hark/orphan.h" else 2
    assert result.stdout.startswith(f"{path}:{line}: ")
    assert expected in result.stdout
    assert result.stdout.count("\n") == 1
