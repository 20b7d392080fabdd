import http.client
import json
import os
from urllib.parse import urlsplit

proxy = urlsplit(os.environ["https_proxy"])
connection = http.client.HTTPSConnection(proxy.hostname, proxy.port)
connection.set_tunnel("api.example.com", 443)

connection.request("GET", "/data")
response = connection.getresponse()
print(response.status)
print(response.read().decode())

payload = {"name": "hark", "note": "grüße"}
connection.request("POST", "/submit", body=json.dumps(payload),
                   headers={"Content-Type": "application/json"})
response = connection.getresponse()
print(response.status)
print(response.read().decode())
connection.close()
