#!/usr/bin/env python3
"""Runs deploy.sh, verify.sh and destroy.sh with the real AWS CLI against moto, a stand-in for AWS, on loopback.

Runs inside a virtual environment that holds `awscli`, `moto` and `aws-sam-translator` (see `make aws-cli-check`). It proves
what a recording fake of `aws` cannot: that the CLI takes our options and our files, that our queries find what it prints,
that the template makes resources that fit each other once AWS's own translator has been over it, and that an upload reaches
the queue. moto knows alarms and metric filters not in templates; cfn-lint looks at these. That AWS itself agrees, and above all that the policies suffice, is not proved by it. The function does not run.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings

# For SQS in the older regions version 1 of the CLI goes to a host of its own, whatever AWS_ENDPOINT_URL says.
os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="il-central-1", AWS_REGION="il-central-1")

import boto3
from moto.cloudformation.models import ChangeSet
from moto.iam.models import Role
from moto.server import ThreadedMotoServer
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

HERE = os.path.dirname(os.path.abspath(__file__))
logging.getLogger("werkzeug").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message="Tried to parse")
KEY = 'k"e\\y-7f3a9c'

# moto knows no transform; AWS does this one before anything else.
parse = ChangeSet._parse_template


def translated(self):
    if "Transform" in self.template:
        template = Translator({}, Parser()).translate(yaml_parse(self.template), {})
        # And moto trips over a resource that a condition rules out, at the second change.
        if self.parameters["Events"] != "eventbridge":
            del template["Resources"]["Rule"]
        self.template = json.dumps(template)
    parse(self)


ChangeSet._parse_template = translated

# moto (5.2.1) leaves AWS::NoValue in a list as None; AWS takes it out.
make_role = Role.create_from_cloudformation_json.__func__


def without_none(cls, name, cloudformation_json, *args, **kwargs):
    properties = cloudformation_json["Properties"]
    properties["Policies"] = [policy for policy in properties["Policies"] if policy]
    return make_role(cls, name, cloudformation_json, *args, **kwargs)


Role.create_from_cloudformation_json = classmethod(without_none)

# It also forgets a stack's outputs when a change set makes or changes it, and hands a list back as a list where it has to be text.
apply = ChangeSet.apply


def with_outputs(self):
    self.parameters = {name: ",".join(value) if isinstance(value, list) else value for name, value in self.parameters.items()}
    apply(self)
    self.stack.template, self.stack.template_dict = self.template, self.template_dict
    self.stack.output_map = self.stack._create_output_map()


ChangeSet.apply = with_outputs


class Check:
    def __init__(self, folder, port):
        self.folder = folder
        self.endpoint = f"http://127.0.0.1:{port}"
        self.ran = 0
        self.write("key", KEY + "\n")
        self.write("code.zip", b"PK\x05\x06" + bytes(18))  # an empty zip

    def write(self, name, data):
        with open(os.path.join(self.folder, name), "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())

    def client(self, service):
        return boto3.client(service, endpoint_url=self.endpoint)

    def script(self, name, *words, status=0):
        env = {**os.environ, "AWS_ENDPOINT_URL": self.endpoint, "APIKEY_FILE": f"{self.folder}/key", "TMPDIR": self.folder, "RELAY_DEPLOY_PAUSE": "1"}
        done = subprocess.run([f"{HERE}/../{name}", *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == status, f"{name}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert KEY not in done.stdout + done.stderr, "the key is printed"
        self.ran += 1
        return done

    def deploy(self, *more, status=0):
        words = f"--zip {self.folder}/code.zip --code-bucket code --endpoint https://mdss.example --storage-client-id unit-1".split()
        return self.script("deploy.sh", *words, *more, status=status)

    def outputs(self, stack="mdss-relay"):
        told = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
        return {one["OutputKey"]: one["OutputValue"] for one in told}

    def notifications(self, bucket):
        answer = self.client("s3").get_bucket_notification_configuration(Bucket=bucket)
        answer.pop("ResponseMetadata")
        return answer

    def take(self, queue):
        """The bodies in the queue, which are then gone."""
        sqs, bodies = self.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def play_the_function(self, queue, stop):
        """Logs a line for every object the queue brings."""
        logs, number = self.client("logs"), 0
        logs.create_log_stream(logGroupName="/aws/lambda/mdss-relay", logStreamName="one")
        while not stop.is_set():
            for body in self.take(queue):
                for record in body.get("Records", []):
                    number += 1
                    line = {"level": "INFO", "message": "object accepted by MDSS", "faas.document.name": record["s3"]["object"]["key"], "mdss.correlation_id": f"id-{number}"}
                    event = {"timestamp": int(time.time() * 1000), "message": json.dumps(line, separators=(",", ":")) + "\n"}
                    logs.put_log_events(logGroupName="/aws/lambda/mdss-relay", logStreamName="one", logEvents=[event])
            stop.wait(0.2)


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with tempfile.TemporaryDirectory() as folder:
        check = Check(folder, server.get_host_and_port()[1])
        s3 = check.client("s3")
        for bucket in ("inbox", "outbox", "code"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "il-central-1"})
        theirs = check.client("sqs").create_queue(QueueName="theirs")["QueueUrl"]
        theirs_arn = check.client("sqs").get_queue_attributes(QueueUrl=theirs, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        entry = {"Id": "theirs", "QueueArn": theirs_arn, "Events": ["s3:ObjectRemoved:*"], "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a b/"}]}}}
        s3.put_bucket_notification_configuration(Bucket="inbox", NotificationConfiguration={"QueueConfigurations": [entry]})

        check.deploy("--bucket", "inbox")
        outputs = check.outputs()
        found = {one["Id"]: one for one in check.notifications("inbox")["QueueConfigurations"]}
        assert set(found) == {"theirs", "mdss-relay"} and found["mdss-relay"]["QueueArn"] == outputs["QueueArn"], found
        assert found["theirs"]["Filter"]["Key"]["FilterRules"][0]["Value"] == "a b/", found
        assert check.client("secretsmanager").get_secret_value(SecretId="mdss-relay-api-key")["SecretString"] == KEY
        function = check.client("lambda").get_function(FunctionName=outputs["Function"])["Configuration"]
        assert function["Runtime"] == "provided.al2023" and function["Timeout"] == 60, function
        variables = function["Environment"]["Variables"]
        assert variables["RELAY_QUEUE_PARTIAL"] == "on" and variables["RELAY_DEADLINE"] == "55s", variables
        queue = check.client("sqs").get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=["All"])["Attributes"]
        assert queue["VisibilityTimeout"] == "360" and json.loads(queue["RedrivePolicy"])["deadLetterTargetArn"] == outputs["DeadLettersArn"], queue

        again = check.deploy("--bucket", "inbox")
        assert "nothing to change" in again.stdout, again.stdout

        stop = threading.Event()
        player = threading.Thread(target=check.play_the_function, args=(outputs["QueueUrl"], stop))
        player.start()
        try:
            told = check.script("verify.sh", "--bucket", "inbox", "--every", "1", "--remove")
        finally:
            stop.set()
            player.join()
        assert told.stdout.count("accepted; correlation id id-") == 2, told.stdout

        check.deploy("--bucket", "inbox", "--bucket", "outbox")
        refused = check.deploy("--bucket", "inbox", status=1)
        assert "also serves the bucket outbox" in refused.stderr, refused.stderr
        check.deploy("--bucket", "inbox", "--drop-bucket", "outbox")
        assert check.notifications("outbox") == {}, check.notifications("outbox")

        # moto takes EventBridge's switch and leaves it out of its answers, so the look afterwards finds it missing, as it should.
        refused = check.deploy("--stack", "second", "--secret", "mdss-relay-api-key", "--bucket", "inbox", "--events", "eventbridge", status=1)
        assert "not what was just written" in refused.stderr, refused.stderr
        assert check.outputs("second")["Events"] == "eventbridge"
        rule = check.client("events").list_rules()["Rules"]
        assert len(rule) == 1 and json.loads(rule[0]["EventPattern"])["resources"] == ["arn:aws:s3:::inbox"], rule

        check.client("sqs").send_message(QueueUrl=outputs["QueueUrl"], MessageBody="{}")
        refused = check.script("destroy.sh", "--yes", status=1)
        assert "wait in the queue" in refused.stderr, refused.stderr
        check.take(outputs["QueueUrl"])
        check.script("destroy.sh", "--yes")
        check.script("destroy.sh", "--yes", "--stack", "second", "--with-secret", "mdss-relay-api-key")
        # The secret waits to be deleted now; and a bucket whose new objects go elsewhere already stops it before anything is made.
        # (moto keeps the log group of a stack that is gone, hence the other name.)
        check.deploy("--stack", "third", "--secret", "mdss-relay-api-key", "--bucket", "outbox")
        assert check.client("secretsmanager").get_secret_value(SecretId="mdss-relay-api-key")["SecretString"] == KEY
        check.script("destroy.sh", "--yes", "--discard", "--stack", "third", "--with-secret", "mdss-relay-api-key")  # S3's test event waits
        rival = {"Id": "rival", "QueueArn": theirs_arn, "Events": ["s3:ObjectCreated:*"]}
        s3.put_bucket_notification_configuration(Bucket="outbox", NotificationConfiguration={"QueueConfigurations": [rival]})
        refused = check.deploy("--bucket", "outbox", status=2)
        assert "rival -> " in refused.stderr, refused.stderr
        refused = check.deploy("--bucket", "nobodys", status=1)
        assert "this is about --bucket nobodys" in refused.stderr, refused.stderr
        left = check.notifications("inbox")
        assert [one["Id"] for one in left["QueueConfigurations"]] == ["theirs"], left
        assert not check.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"])["StackSummaries"]
        print(f"aws-cli-check: {check.ran} runs of the scripts with {subprocess.run(['aws', '--version'], capture_output=True, text=True).stdout.strip()}")
    server.stop()


if __name__ == "__main__":
    sys.exit(main())
