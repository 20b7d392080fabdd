import json

import httpx

response = httpx.get("https://api.example.com/data")
print(response.status_code)
print(response.text)

payload = {"name": "hark", "note": "grüße"}
response = httpx.post("https://api.example.com/submit", content=json.dumps(payload),
                      headers={"Content-Type": "application/json"})
print(response.status_code)
print(response.text)
