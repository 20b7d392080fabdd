import json
import urllib.request

with urllib.request.urlopen("https://api.example.com/data") as response:
    print(response.status)
    print(response.read().decode())

payload = {"name": "hark", "note": "grüße"}
request = urllib.request.Request("https://api.example.com/submit", data=json.dumps(payload).encode(),
                                 headers={"Content-Type": "application/json"})
with urllib.request.urlopen(request) as response:
    print(response.status)
    print(response.read().decode())
