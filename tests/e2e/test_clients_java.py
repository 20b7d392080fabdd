# SPDX-License-Identifier: MIT
"""The programs of Java's users, as test_clients.py has those of others: recorded and played back."""

import pytest
from harness.zoo import Zoo, assert_get_and_post, assert_plays_back

API_PROGRAMS = ["UrlConnectionApi.java", "JavaNetHttpApi.java", "ApacheHttpClient4Api.java",
                "ApacheHttpClient5Api.java", "NettyApi.java", "clj_http_api.clj"]


@pytest.fixture(scope="module")
def zoo(pki, tmp_path_factory):
    zoo = Zoo(tmp_path_factory.mktemp("zoo"), pki, API_PROGRAMS, java=True)
    yield zoo
    zoo.close()


@pytest.mark.parametrize("program", API_PROGRAMS)
def test_https_get_and_post_to_an_api(zoo, program):
    assert_get_and_post(zoo.hark, zoo.record(program), "https")


def test_http_get_and_post_to_an_api(zoo):
    assert_get_and_post(zoo.hark, zoo.record("UrlConnectionApi.java", "http"), "http")


@pytest.mark.parametrize("program", API_PROGRAMS)
def test_program_gets_the_same_from_the_recording(zoo, program, tmp_path):
    assert_plays_back(zoo, program, tmp_path / "home")
