# SPDX-License-Identifier: MIT
"""docs/security.md names a test for each claim: they are there."""

import re

import pytest
from harness.daemon import ROOT

TEXT = (ROOT / "docs/security.md").read_text()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:unit/)?test_\w+\.\w+[\w:]*)`", TEXT))))
def test_named_tests_exist(name):
    file, *parts = name.split("::")
    folder = "tests/unit" if file.startswith("unit/") else "tests/e2e"
    source = (ROOT / folder / file.removeprefix("unit/")).read_text()
    for part in parts:
        assert re.search(rf"(def|class) {part}\b", source), name
