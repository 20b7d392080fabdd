import json

import requests

response = requests.get("http://api.example.com/data")
print(response.status_code)
print(response.text)

payload = {"name": "hark", "note": "grüße"}
response = requests.post("http://api.example.com/submit", data=json.dumps(payload),
                         headers={"Content-Type": "application/json"})
print(response.status_code)
print(response.text)
