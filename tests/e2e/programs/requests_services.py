import requests

response = requests.get("http://api.github.com")
print(response.status_code)
print(response.json())

response = requests.post("http://httpbin.org/post", json={"key": "value"})
print(response.status_code)
print(response.json())
