import requests

response = requests.get("https://api.github.com")
print(response.status_code)
print(response.json())

response = requests.post("https://httpbin.org/post", json={"key": "value"})
print(response.status_code)
print(response.json())
