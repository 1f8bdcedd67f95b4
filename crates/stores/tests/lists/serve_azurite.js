// Starts azurite's blob service in memory and prints one line: its address. Ends with its stdin.
// Argument: where azurite is installed.
"use strict";
const { spawn } = require("node:child_process");
const path = require("node:path");

const program = path.join(process.argv[2], "node_modules/azurite/dist/src/blob/main.js");
const options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"];
const azurite = spawn(process.execPath, [program, ...options], { stdio: ["ignore", "pipe", "inherit"] });
process.stdin.on("data", () => {}).on("end", () => azurite.kill("SIGTERM"));
process.on("exit", () => azurite.kill());
azurite.on("exit", (status) => process.exit(status ?? 0));

let said = "";
azurite.stdout.on("data", (text) => {
  const before = said;
  said += text;
  const port = /listen(?:s|ing) (?:at|on) http:\/\/127\.0\.0\.1:(\d+)/;
  if (port.test(before) || !port.test(said)) return;
  console.log(`127.0.0.1:${port.exec(said)[1]}`);
});
