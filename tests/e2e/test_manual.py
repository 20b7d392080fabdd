# SPDX-License-Identifier: MIT
"""The manual pages: each says everything that there is, and nothing that there is not."""

import re
import shutil
import subprocess

import pytest
from harness import run_hark
from harness.daemon import HARK, ROOT

PAGES = ["hark.1", "hark.conf.5", "hark-filter.7", "hark-schema.7"]
pytestmark = pytest.mark.skipif(
    not (shutil.which("scdoc") and shutil.which("mandoc")), reason="scdoc or mandoc is not installed"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Each page as a file, made as the build makes it."""
    folder = tmp_path_factory.mktemp("man")
    for page in PAGES:
        source = subprocess.run([ROOT / "docs/man/page", page, HARK], capture_output=True, check=True)
        assert source.stderr == b""
        made = subprocess.run(["scdoc"], input=source.stdout, capture_output=True, check=True)
        (folder / page).write_bytes(made.stdout)
    return folder


def text_of(pages, page):
    """What a person reads, without bold and underline."""
    command = ["mandoc", "-T", "utf8", "-O", "width=500", pages / page]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return re.sub(".\b", "", done.stdout)


def terms(text):
    """Entries of lists: what stands where paragraphs begin, above something that is indented."""
    return re.findall(r"^ {7}(\S.*)\n {11}\S", text, re.M)


@pytest.mark.parametrize("page", PAGES)
def test_page_is_well_formed(pages, page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "error", pages / page], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.skipif(not shutil.which("lexgrog"), reason="man-db is not installed")
def test_page_can_be_found_by_its_subject(pages, page):
    done = subprocess.run(["lexgrog", pages / page], capture_output=True, text=True, check=True)
    assert f'"{page[:-2]} - ' in done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_the_source_shows(pages, page):
    assert not re.search(r"\*\*[a-z]|\\_|\]\(|docs/(filter|schema)\.md|@with|@commands", text_of(pages, page))


def test_every_command_and_option_is_in_its_page(pages, tmp_path):
    text = text_of(pages, "hark.1")
    listed = run_hark("help", home=tmp_path).stdout.split("Commands:\n")[1].split("\n\n")[0]
    commands = [line.split()[0] for line in listed.splitlines()]
    sections = dict(re.findall(r"^   hark (\w+)(.*?)(?=^   \S|^\S)", text, re.M | re.S))
    assert list(sections) == commands[:-1]
    common = text.split("COMMON OPTIONS")[1].split("\nCOMMANDS")[0]
    for command, section in sections.items():
        options = r"^ {2,7}(?:-\w, )?\s*(--[a-z-]+)"
        known = re.findall(options, run_hark("help", command, home=tmp_path).stdout, re.M)
        documented = re.findall(r"^ {7}(?:-\w, )?(--[a-z-]+)", section, re.M)
        assert set(known) == set(documented) | {"--data-dir", "--config", "--help"}, command
    assert set(re.findall(r"^ {7}(?:-\w, )?(--[a-z-]+)", common, re.M)) == {"--data-dir", "--config", "--help"}


def test_every_key_is_in_its_page(pages, tmp_path):
    known = run_hark("help", "--complete", "serve", "--set", "", home=tmp_path).stdout
    keys = re.findall(r"^([a-z_]+)=", known, re.M)
    documented = re.findall(r"^ {7}([a-z_]+) =", text_of(pages, "hark.conf.5"), re.M)
    assert sorted(documented) == sorted(keys)


def test_every_filter_word_is_in_its_page(pages, tmp_path):
    text = text_of(pages, "hark-filter.7")
    known = run_hark("help", "--complete", "ls", "", home=tmp_path).stdout
    keys = set(re.findall(r"^([a-z]+:)\t", known, re.M)) - {"is:"}
    assert keys == {term for term in terms(text) if re.fullmatch("[a-z]+:", term)}
    for kind in re.findall(r"^(is:[a-z]+)\t", known, re.M):
        assert re.search(rf"\b{kind}\b", text), kind


def test_every_column_is_in_its_page(pages, daemon):
    hark = daemon()
    text = text_of(pages, "hark-schema.7")
    sections = dict(re.findall(r"^   (\w+)[^\n]*\n(.*?)(?=^   \S|^\S)", text, re.M | re.S))
    tables = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%'"
    shown = [row["name"] for row in hark.sql(tables)]
    for name in sections:
        assert name in shown, f"{name} does not exist"
        columns = {row["name"] for row in hark.sql(f"SELECT name FROM pragma_table_info('{name}')")}
        documented = {one for term in terms(sections[name]) for one in re.findall(r"\w+", term)}
        assert documented == columns, name
    assert {"traffic", "header", "body_text", "host_stats", "exchange", "body", "message",
            "session", "note"} <= set(sections)
