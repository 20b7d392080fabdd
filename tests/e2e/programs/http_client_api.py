import http.client
import json
import os
from urllib.parse import urlsplit

proxy = urlsplit(os.environ["http_proxy"])
connection = http.client.HTTPConnection(proxy.hostname, proxy.port)

connection.request("GET", "http://api.example.com/data")
response = connection.getresponse()
print(response.status)
print(response.read().decode())

payload = {"name": "hark", "note": "grüße"}
connection.request("POST", "http://api.example.com/submit", body=json.dumps(payload),
                   headers={"Content-Type": "application/json"})
response = connection.getresponse()
print(response.status)
print(response.read().decode())
connection.close()
