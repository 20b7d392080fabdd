import asyncio
import json

import aiohttp


async def main():
    async with aiohttp.ClientSession() as session:
        async with session.get("https://api.example.com/data") as response:
            print(response.status)
            print(await response.text())

        payload = {"name": "hark", "note": "grüße"}
        async with session.post("https://api.example.com/submit", data=json.dumps(payload),
                                headers={"Content-Type": "application/json"}) as response:
            print(response.status)
            print(await response.text())


asyncio.run(main())
