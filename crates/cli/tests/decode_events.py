"""Has Google's Functions Framework decode fixtures, and prints what a function is given: one line of JSON a fixture."""

import json
import os
import sys
import tempfile

import functions_framework

FUNCTIONS = """
import json

seen = []

def event(cloud_event):
    seen.append({"type": cloud_event["type"], "data": cloud_event.data})

def background(data, context):
    seen.append({"type": context.event_type, "data": data})
"""


def main():
    folder = tempfile.mkdtemp()
    source = os.path.join(folder, "main.py")
    with open(source, "w") as file:
        file.write(FUNCTIONS)
    clients = {}
    for path in sys.argv[1:]:
        with open(path) as file:
            fixture = json.load(file)
        request = "body" in fixture and "headers" in fixture
        headers = fixture["headers"] if request else {"Content-Type": "application/json"}
        names = {name.lower() for name in headers}
        structured = "cloudevents" in str(headers.get("Content-Type", headers.get("content-type", "")))
        kind = ("event", "cloudevent") if structured or "ce-type" in names else ("background", "event")
        if kind not in clients:
            app = functions_framework.create_app(kind[0], source, kind[1])
            clients[kind] = (app.test_client(), sys.modules["main"])
        client, module = clients[kind]
        module.seen.clear()
        body = fixture["body"] if request else json.dumps(fixture)
        answer = client.post("/", data=body.encode(), headers=headers)
        print(json.dumps({"status": answer.status_code, "seen": module.seen}))


main()
