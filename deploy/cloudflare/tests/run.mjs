// Runs worker.js as Cloudflare would, by miniflare: node run.mjs FOLDER CONFIG. FOLDER has miniflare in its node_modules; CONFIG
// is a file of JSON: `bindings` of the Worker, its `compatibility` date, `consumers` as miniflare names their members, `queue` and the `messages` to put
// into it. What the Worker logs goes to stdout and stderr, and so does what is posted to `alert`, whose address the Worker gets
// as ALERT_URL. It runs until it is told to end.

import { readFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";

const [folder, config] = process.argv.slice(2);
const { Miniflare } = createRequire(join(folder, "package.json"))("miniflare");
const { bindings, compatibility, consumers, queue, messages } = JSON.parse(readFileSync(config, "utf8"));

const alerts = http.createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    console.log(`alert: ${body}`);
    response.end();
  });
});
await new Promise((listening) => alerts.listen(0, "127.0.0.1", listening));

const contents = readFileSync(new URL("../worker.js", import.meta.url), "utf8");
const miniflare = new Miniflare({
  host: "127.0.0.1",
  modules: [{ type: "ESModule", path: "worker.js", contents }],
  compatibilityDate: compatibility,
  bindings: { ...bindings, ALERT_URL: `http://127.0.0.1:${alerts.address().port}/` },
  queueProducers: { QUEUE: queue },
  queueConsumers: consumers,
});
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    alerts.close();
    miniflare.dispose().finally(() => process.exit(0));
  });
}
const producer = await miniflare.getQueueProducer("QUEUE");
for (const message of messages) await producer.send(message);
console.log(`sent ${messages.length} messages`);
