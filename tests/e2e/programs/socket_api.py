import json
import os
import socket
from urllib.parse import urlsplit

proxy = urlsplit(os.environ["http_proxy"])


def ask(request):
    with socket.create_connection((proxy.hostname, proxy.port)) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(4096):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    print(head.split(b" ")[1].decode())
    print(body.decode())


ask(b"GET http://api.example.com/data HTTP/1.1\r\n"
    b"Host: api.example.com\r\n"
    b"Connection: close\r\n"
    b"\r\n")

payload = json.dumps({"name": "hark", "note": "grüße"}).encode()
ask(b"POST http://api.example.com/submit HTTP/1.1\r\n"
    b"Host: api.example.com\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\n"
    b"Connection: close\r\n"
    b"\r\n" % len(payload) + payload)
