"""What this function is measured against: the same work in Python, on the platform's own development kit.

Reads one event, posts the object to MDSS over a kept connection, looks at the answer.
"""

import http.client
import io
import json
import os
import urllib.parse

from fdk import response

ENDPOINT = urllib.parse.urlparse(os.environ["APIENDPOINT"])
connection = http.client.HTTPConnection(ENDPOINT.hostname, ENDPOINT.port, timeout=10)


def handler(ctx, data: io.BytesIO = None):
    event = json.loads(data.getvalue())
    body = json.dumps(
        {
            "storageClientId": os.environ["STORAGECLIENTID"],
            "metadata": json.dumps({"Name": event["data"]["resourceName"]}),
        }
    )
    headers = {"ApiKey": os.environ["APIKEY"], "Content-Type": "application/json"}
    connection.request("POST", ENDPOINT.path, body, headers)
    answer = json.loads(connection.getresponse().read())
    if not answer.get("correlationId"):
        raise RuntimeError("not accepted")
    return response.Response(ctx, response_data=json.dumps(answer), headers={"Content-Type": "application/json"})
