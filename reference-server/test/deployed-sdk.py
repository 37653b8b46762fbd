"""Uses a room as the deployed Python SDK does, with requests, and says on stdout what it saw and when.

    deployed-sdk.py events URL ROOM [CHUNK_SIZE]   read the stream line by line
    deployed-sdk.py wait URL ROOM json|lines       one long poll after another, from the highest seq seen
    deployed-sdk.py post URL ROOM COUNT            post, one after the other
"""
import base64
import json
import os
import sys
import time

import requests


def tell(**what):
    print(json.dumps({**what, "at": time.time() * 1000}), flush=True)


def events(url, chunk_size="512"):
    query = {"after": 0, "name": "python-sdk"}
    with requests.get(f"{url}/events", params=query, stream=True, timeout=(5, 60)) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines(chunk_size=int(chunk_size), decode_unicode=True):
            if line and line.startswith("data:"):
                tell(frame=json.loads(line[len("data:") :].strip()))


def wait(url, how):
    after = 0
    while True:
        query = {"after": after, "timeout": 3}
        if how == "json":
            page = requests.get(f"{url}/wait", params=query, timeout=20).json()
        else:
            with requests.get(f"{url}/wait", params=query, stream=True, timeout=20) as answer:
                page = json.loads("\n".join(answer.iter_lines(decode_unicode=True)))
        tell(page=page)
        after = max([after, *(message["seq"] for message in page["messages"])])


def post(url, count):
    for _ in range(int(count)):
        body = {
            "sender": "python-sdk",
            "ciphertext": base64.b64encode(os.urandom(40)).decode(),
            "nonce": base64.b64encode(os.urandom(24)).decode(),
        }
        answer = requests.post(f"{url}/messages", json=body, timeout=10)
        tell(status=answer.status_code, answer=answer.json())


if __name__ == "__main__":
    _, command, base, room, *rest = sys.argv
    {"events": events, "wait": wait, "post": post}[command](f"{base}/api/rooms/{room}", *rest)
