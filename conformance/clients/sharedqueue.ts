// Messages in the queue of a file that a server serves for a while. For Deno.
//
//   sharedqueue.ts leave PATH      leaves three messages behind: one that is being
//                                  handled, one that is due soon, one for much later
//   sharedqueue.ts deliver PATH    later, takes the first two, and finds the third
//
// `leave` prints `handling` once a handler has the first message, and then waits to be
// killed: a handler that returns would have done with it. `deliver` prints `ok`.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { within } from "./suite/waiting.ts";

const dayMs = 86_400_000;

async function leave(kv: Deno.Kv): Promise<void> {
  await kv.enqueue({ name: "now", with: new Map([["n", 1n]]) }, {
    backoffSchedule: [1000],
    keysIfUndelivered: [["undelivered"]],
  });
  await kv.enqueue({ name: "soon" }, { delay: 5_000 });
  await kv.enqueue({ name: "later" }, { delay: dayMs });
  await kv.listenQueue(async () => {
    console.log("handling");
    await new Promise(() => setInterval(() => {}, dayMs));
  });
}

async function deliver(kv: Deno.Kv, path: string): Promise<void> {
  const delivered = new Map<string, unknown>();
  const both = Promise.withResolvers<void>();
  kv.listenQueue((message: { name: string }) => {
    assert.ok(!delivered.has(message.name), `${message.name} came twice`);
    delivered.set(message.name, message);
    if (delivered.size === 2) both.resolve();
  });
  await within(both.promise, "the messages", 30_000);
  assert.deepEqual(Object.fromEntries(delivered), {
    now: { name: "now", with: new Map([["n", 1n]]) },
    soon: { name: "soon" },
  });
  const database = new DatabaseSync(path, { readOnly: true });
  const left = database.prepare("select ts from queue").all();
  database.close();
  assert.equal(left.length, 1);
  assert.ok(left[0]?.ts as number > Date.now() + dayMs / 2);
}

const [name, path] = Deno.args;
if ((name !== "leave" && name !== "deliver") || path === undefined) {
  throw new Error("say `leave` or `deliver`, and a path");
}
const kv = await Deno.openKv(path);
if (name === "leave") await leave(kv);
else await deliver(kv, path);
kv.close();
console.log("ok");
