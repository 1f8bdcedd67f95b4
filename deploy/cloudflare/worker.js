// Posts each message of R2's queue to the relay, signed. A message is done when the relay has answered 2xx, which means that MDSS
// has accepted the object, or that the event is on the relay's disk. Everything else is a retry, never a drop: a Worker that
// acknowledges what was refused loses it (cloudflare/cloudflare-docs, src/content/docs/queues/configuration/batching-retries.mdx).
//
// What the queue gives up lands in the dead-letter queue, which this Worker reads too: it posts again every few hours, and raises
// an alarm each time. Both queues are in wrangler.toml.

const encoder = new TextEncoder();

/** `t=<seconds>,v1=<hex of HMAC-SHA256(secret, t "." body)>`: the relay's check `hmac` with `timed = true`. */
async function signature(secret, body) {
  const time = Math.floor(Date.now() / 1000);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign"]);
  const tag = new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(`${time}.${body}`)));
  return `t=${time},v1=${Array.from(tag, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** What the relay answered: its status, 0 for no answer, a text for the log, and the pause it asks for. */
async function post(message, env) {
  // What Cloudflare sends is an object, what somebody put in by hand may be a text.
  const body = typeof message.body === "string" ? message.body : JSON.stringify(message.body);
  try {
    const response = await fetch(env.RELAY_URL, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-Relay-Signature": await signature(env.RELAY_SECRET, body),
        "X-Message-Id": message.id, // the same at each attempt: by it the relay knows a write that it has had
      },
      body,
      // The relay never redirects; whoever does is somebody else.
      redirect: "manual",
      // More than the relay's own RELAY_DEADLINE, also for one that waits for a free connection: a Worker has six.
      signal: AbortSignal.timeout(60_000),
    });
    const wanted = Number(response.headers.get("Retry-After"));
    return { status: response.status, ok: response.ok, text: (await response.text()).slice(0, 1000), wanted: wanted > 0 ? wanted : 0 };
  } catch (error) {
    return { status: 0, ok: false, text: String(error), wanted: 0 };
  }
}

export default {
  async queue(batch, env) {
    // An undefined secret would sign, with the word "undefined". To throw is to retry the whole batch.
    for (const name of ["RELAY_URL", "RELAY_SECRET", "DEAD_LETTERS"]) {
      if (!env[name]) throw new Error(`${name} is not set; deploy.sh sets it`);
    }
    const dead = batch.queue === env.DEAD_LETTERS;
    const first = Number(env.FIRST_PAUSE);
    const longest = Number(env.LONGEST_PAUSE);
    let left = 0;
    await Promise.all(
      batch.messages.map(async (message) => {
        const answer = await post(message, env);
        const line = { message: "", queue: batch.queue, id: message.id, attempts: message.attempts, status: answer.status, bucket: message.body?.bucket, key: message.body?.object?.key, answer: answer.text };
        if (answer.ok) {
          message.ack();
          console.log(JSON.stringify({ ...line, message: "event taken by the relay" }));
          return;
        }
        left += 1;
        // 30 s, a minute, two minutes … : retries follow an outage of minutes at once and one of a day without hurry. 12 h is the most
        // that a queue takes.
        const grown = dead ? Number(env.DEAD_PAUSE) : Math.min(longest, first * 2 ** Math.min(message.attempts - 1, 20));
        const pause = Math.min(43_200, Math.max(grown, answer.wanted));
        message.retry({ delaySeconds: pause });
        const what = dead ? "event given up by the queue, and still not taken by the relay" : "event not taken by the relay, tried again";
        console.error(JSON.stringify({ ...line, pause, message: what }));
      }),
    );
    if (dead && left > 0 && env.ALERT_URL) {
      const text = `mdss-relay: ${left} events of ${env.DEAD_LETTERS} are not taken by the relay; their objects are unscanned. The Worker's log says which and why`;
      // Of use to a chat's incoming webhook. An alarm that fails costs no event.
      const alert = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }), signal: AbortSignal.timeout(10_000) };
      await fetch(env.ALERT_URL, alert).then((response) => response.body?.cancel(), (error) => console.error(String(error)));
    }
  },
};
