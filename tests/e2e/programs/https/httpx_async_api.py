import asyncio
import json

import httpx


async def main():
    async with httpx.AsyncClient() as client:
        response = await client.get("https://api.example.com/data")
        print(response.status_code)
        print(response.text)

        payload = {"name": "hark", "note": "grüße"}
        response = await client.post("https://api.example.com/submit", content=json.dumps(payload),
                                     headers={"Content-Type": "application/json"})
        print(response.status_code)
        print(response.text)


asyncio.run(main())
