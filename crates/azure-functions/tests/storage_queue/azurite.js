// Starts azurite's queue service, makes a queue and prints one line: its URL with a signature that lets everything in. Ends with its stdin.
// Arguments: where azurite is installed, a folder for its data.
"use strict";
const { spawn } = require("node:child_process");
const path = require("node:path");

const [place, data] = process.argv.slice(2);
const { QueueClient, QueueSASPermissions, StorageSharedKeyCredential } = require(path.join(place, "node_modules/@azure/storage-queue"));

// The account and the key that every azurite has; they open nothing else.
const account = "devstoreaccount1";
const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

const program = path.join(place, "node_modules/azurite/dist/src/queue/main.js");
const options = ["--queueHost", "127.0.0.1", "--queuePort", "0", "--location", data, "--skipApiVersionCheck", "--disableTelemetry"];
const azurite = spawn(process.execPath, [program, ...options], { stdio: ["ignore", "pipe", "inherit"] });
process.stdin.on("data", () => {}).on("end", () => azurite.kill("SIGTERM"));
process.on("exit", () => azurite.kill());
azurite.on("exit", (status) => process.exit(status ?? 0));

let said = "";
azurite.stdout.on("data", async (text) => {
  const before = said;
  said += text;
  const port = /listen(?:s|ing) (?:at|on) http:\/\/127\.0\.0\.1:(\d+)/;
  if (port.test(before) || !port.test(said)) return;
  const address = `http://127.0.0.1:${port.exec(said)[1]}/${account}/relay-objects`;
  const queue = new QueueClient(address, new StorageSharedKeyCredential(account, key));
  await queue.create();
  const expiresOn = new Date(Date.now() + 3600_000);
  console.log(await queue.generateSasUrl({ permissions: QueueSASPermissions.parse("raup"), expiresOn }));
});
