"""Serves moto on a free port of loopback, with a bucket for each thing that can be wrong with a notification. Prints the address as one line, and ends
with its stdin."""

import json
import logging
import sys

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
there = {
    "endpoint_url": f"http://{host}:{port}",
    "region_name": "us-east-1",
    "aws_access_key_id": "id",
    "aws_secret_access_key": "s",
}
sqs, s3, events = (boto3.client(name, **there) for name in ("sqs", "s3", "events"))


def queue(name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


dead = queue("relay-dead")
ours = queue("relay", VisibilityTimeout="360", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 5}))
theirs, bare = queue("theirs"), queue("bare")
CREATED = ["s3:ObjectCreated:*"]


def bucket(name, *entries, **more):
    s3.create_bucket(Bucket=name)
    if entries or more:
        document = {"QueueConfigurations": list(entries), **more}
        s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=document)


def entry(arn, events=CREATED, **more):
    return {"QueueArn": arn, "Events": events, **more}


bucket("healthy", entry(ours))
bucket("overwritten", entry(ours))
# Somebody else's document takes the place of the whole.
s3.put_bucket_notification_configuration(
    Bucket="overwritten", NotificationConfiguration={"QueueConfigurations": [entry(theirs, Filter={"Key": {"FilterRules": [{"Name": "prefix", "Value": "else/"}]}})]}
)
bucket("narrow", entry(ours, Filter={"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}}))
bucket("removals", entry(ours, CREATED + ["s3:ObjectRemoved:*"]))
bucket("no-dead-letters", entry(bare))
bucket("bridge", EventBridgeConfiguration={})
# A bucket without any document gets an element from moto that no store has; of this one it keeps nothing.
bucket("quiet", EventBridgeConfiguration={})
pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": ["bridge"]}}}
events.put_rule(Name="relay", EventPattern=json.dumps(pattern))
events.put_targets(Rule="relay", Targets=[{"Id": "1", "Arn": ours}])
print(f"{host}:{port}", flush=True)
sys.stdin.read()
server.stop()
