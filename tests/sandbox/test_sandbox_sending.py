import asyncio

import pytest

from billing_worker.sandbox.sending.send import SendError, send


def sent(answer: bytes, url: str = "http://127.0.0.1:{}/a b"):
    """Send to a server that gives these bytes; return what it got and what was made of its answer."""

    async def both():
        got = bytearray()

        async def serve(reader, writer):
            got.extend(await reader.readuntil(b"}"))
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return bytes(got), await send("POST", url.format(port), headers={"X-A": "1"}, body=b"{}"), bytes(got)

    return asyncio.run(both())


def test_a_request_has_its_headers_and_an_encoded_path_and_a_chunked_answer_is_joined():
    _, answer, got = sent(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nO\r\n1\r\nK\r\n0\r\n\r\n")
    assert (answer.status, bytes(answer.body)) == (200, b"OK")
    assert got.startswith(b"POST /a%20b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Content-Length: 2\r\n\r\n{}" in got


def test_an_answer_without_a_length_ends_with_the_connection():
    assert sent(b"HTTP/1.0 500 Oops\r\n\r\nlong story")[1].status == 500


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n"])
def test_no_answer_or_one_that_is_not_http_is_an_error(answer):
    with pytest.raises(SendError):
        sent(answer)


@pytest.mark.parametrize(
    "url", ["", "ftp://127.0.0.1/x", "http://127.0.0.1:99999/", "http://[::1", "http://127.0.0.1:1/"]
)
def test_a_url_that_cannot_be_reached_is_an_error(url):
    with pytest.raises(SendError):
        asyncio.run(send("GET", url, headers={}))


def test_a_line_end_in_a_url_cannot_add_a_header():
    got = sent(b"HTTP/1.1 200 OK\r\n\r\n", "http://127.0.0.1:{}/x\r\nX-Evil: 1")[2]
    assert b"\r\nX-Evil" not in got
