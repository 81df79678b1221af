// Opens watches of a key that it does not read, and goes on with other calls.
//
//   unread_watch.ts WATCHES never|first     (KV_URL and DENO_KV_ACCESS_TOKEN are set)
//
// It reads nothing of any watch, or only the first state. At the line `@write` the
// driver writes the key ["watched"] many times from elsewhere, the last time with no
// bytes, and answers with the line `written`. Then calls on the same connection must be
// answered as ever. The last line is `ok`.
import assert from "node:assert/strict";
import process from "node:process";
import { ask } from "./driver.ts";
import { openKv } from "./runtime.ts";
import { assertValue } from "./suite/assertions.ts";
import { within } from "./suite/waiting.ts";

const patienceMs = 10_000;
const long = "here".repeat(15_000);
const [, , watches, reads] = process.argv;
assert.ok(Number(watches) > 0, "say how many watches");
assert.ok(reads === "never" || reads === "first", "say `never` or `first`");

const kv = await openKv();
await kv.set(["watched"], "first");
await kv.set(["other"], long);
const readers = Array.from(
  { length: Number(watches) },
  () => kv.watch<unknown[]>([["watched"]]).getReader(),
);
if (reads === "first") {
  for (const reader of readers) {
    const { value } = await within(reader.read(), "the first state");
    assert.equal(value?.[0]?.value, "first");
  }
}
await ask("@write", "written");
await within(
  assertValue(kv, ["other"], long),
  "a get beside unread watches",
  patienceMs,
);
await within(kv.set(["other"], "changed"), "a set beside them", patienceMs);

// Who reads on after all finds the newest state.
for (const reader of readers) {
  const last = async () => {
    while (true) {
      const { value } = await reader.read();
      if ((value?.[0]?.value as Uint8Array).length === 0) return;
    }
  };
  await within(last(), "the newest state", patienceMs);
}
kv.close();
console.log("ok");
process.exit(0);
