# SPDX-License-Identifier: MIT
"""WebSockets from the recording: the same conversation again, with nobody at the other end."""

import asyncio
import time

import pytest
from harness import SCALE

websockets = pytest.importorskip("websockets")
from test_websocket import MIB, certificate, echo, proxy, talk  # noqa: E402, F401


@pytest.fixture
def replayed(proxy, echo, daemon):  # noqa: F811
    """replayed(conversation, route, …) records it with an echo, then has it with the recording."""

    def run(conversation, route="tunnel", settings=(), again=None, **options):
        server = echo(route)
        talk(proxy, route, server.port, conversation, **options)
        row = proxy.wait_row("kind = 'websocket'")
        proxy.stop()
        server.close()
        server.close = lambda: None
        player = daemon("--db", proxy.db, "--mode", "playback", settings=settings,
                        data_dir=proxy.data_dir)
        player.recorded = row
        talk(player, route, server.port, again or conversation, **options)
        return player

    return run


async def small_talk(connection):
    for said in ("grüß dich", b"\x00\xff", "once more"):
        await connection.send(said)
        assert await connection.recv() == said
    await (await connection.ping(b"there?"))
    await connection.send("bye")
    with pytest.raises(websockets.ConnectionClosed) as closed:
        await connection.recv()
    assert (closed.value.code, closed.value.reason) == (4001, "so long")


@pytest.mark.parametrize("route", ["tunnel", "tls"])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_conversation_is_the_same_again(replayed, route, compression):
    replayed(small_talk, route, compression=compression)


def test_large_messages_come_whole(replayed):
    text = "".join(chr(65 + i % 26) for i in range(MIB))

    async def conversation(connection):
        for said in (text, text[:256 * 1024], b"x"):
            await connection.send(said)
            assert await connection.recv() == said

    replayed(conversation, compression=None)


def test_client_that_closes_first_may(replayed):
    async def conversation(connection):
        await connection.send("a")
        assert await connection.recv() == "a"
        await connection.close(4000, "enough")
        assert connection.close_code == 4000

    replayed(conversation)


def test_other_message_closes_with_1008(replayed):
    async def other(connection):
        await connection.send("grüß dich")
        assert await connection.recv() == "grüß dich"
        await connection.send("something else")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await asyncio.wait_for(connection.recv(), 20 * SCALE)
        assert closed.value.code == 1008 and "playback-miss" in closed.value.reason

    player = replayed(small_talk, again=other)
    player.wait_log(r"miss: message 2 of the client over /chat")


def test_texts_of_another_message_are_told(replayed):
    async def first(connection):
        await connection.send("hello")
        await connection.recv()

    async def other(connection):
        await connection.send("hallo")
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(connection.recv(), 20 * SCALE)

    player = replayed(first, again=other, compression=None)
    player.wait_log(r'the recorded one: "hallo" here, "hello" there')


def test_recorded_pace_keeps_messages_apart(replayed):
    async def conversation(connection):
        await connection.send("a")
        assert await connection.recv() == "a"
        await asyncio.sleep(0.2)
        await connection.send("b")
        began = time.monotonic()
        assert await connection.recv() == "b"
        conversation.took.append(time.monotonic() - began)

    async def hasty(connection):
        began = time.monotonic()
        await connection.send("a")
        await connection.send("b")
        assert [await connection.recv(), await connection.recv()] == ["a", "b"]
        assert time.monotonic() - began >= 0.15

    conversation.took = []
    replayed(conversation, settings=["playback_pace=recorded"], again=hasty)
