// One database file, used by Deno directly and by a server in turn. For Deno.
//
//   sharedfile.ts write PATH          Deno writes a new file of its own
//   sharedfile.ts write-and-hold PATH the same, and holds it open until it is killed
//   sharedfile.ts check-remote URL    a server that opened it shows all of it
//   sharedfile.ts touch URL           that server changes it
//   sharedfile.ts check PATH          Deno opens it again and finds everything
//
// Every command takes a path as well as a URL, so a file can also begin its life in a
// server: `write URL`, `touch URL`, `check PATH`. What only a file can tell, the queue
// and the times of expiry, is left out then. Each command prints `ok` when it is done.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { deserialize } from "node:v8";
import {
  assertAbsent,
  assertValue,
  collect,
  commit,
} from "./suite/assertions.ts";
import { assertSame } from "./suite/same.ts";
import { denoSamples, orderedParts, sampleValues } from "./suite/samples.ts";
import { clockShows, expiring, type ExpiryTime } from "./suite/waiting.ts";

const dayMs = 86_400_000;
const key = (...parts: Deno.KvKeyPart[]) => ["shared", ...parts];

const queued = {
  message: { to: "ada", about: new Map([["n", 1n]]) },
  delay: dayMs,
  backoffSchedule: [1000, 2000],
  keysIfUndelivered: [key("undelivered")],
};

async function write(kv: Deno.Kv, target: string): Promise<void> {
  await storeSamples(kv, "written");
  const parts = kv.atomic();
  for (const [index, part] of orderedParts.entries()) {
    parts.set(key("parts", part), index);
  }
  await commit(parts);

  await kv.set(key("count"), new Deno.KvU64(41n));
  await kv.set(key("least"), new Deno.KvU64(5n));
  await kv.set(key("most"), new Deno.KvU64(5n));
  await commit(kv.atomic().sum(key("count"), 1n));
  await kv.set(key("log", kv.commitVersionstamp()), "written");
  await kv.set(key("doomed"), "written");
  const { versionstamp } = await kv.set(key("changing"), "written");
  await kv.set(key("versionstamp of changing"), versionstamp);

  await lease(kv, "short", 1_000);
  await lease(kv, "renewed", 1_000);
  await lease(kv, "long", dayMs);
  if (isFile(target)) {
    const { message, ...options } = queued;
    const due = await expiring(dayMs, () => kv.enqueue(message, options));
    await kv.set(key("queued"), due);
  }
}

async function writeAndHold(kv: Deno.Kv, target: string): Promise<void> {
  await write(kv, target);
  console.log("written");
  await new Promise(() => setInterval(() => {}, dayMs));
}

async function touch(kv: Deno.Kv): Promise<void> {
  await storeSamples(kv, "touched");
  const changing = await kv.get(key("changing"));
  await commit(
    kv.atomic()
      .check(changing)
      .set(key("changing"), "touched")
      .delete(key("doomed"))
      .sum(key("count"), 8n)
      .min(key("least"), 3n)
      .max(key("most"), 9n)
      .set(key("log", kv.commitVersionstamp()), "touched")
      .set(key("renewed"), "for good"),
  );
  await lease(kv, "short again", 1_000);
  await lease(kv, "long again", dayMs);
}

async function checkRemote(kv: Deno.Kv): Promise<void> {
  await checkWritten(kv);
  await assertValue(kv, key("count"), new Deno.KvU64(42n));
  await assertValue(kv, key("least"), new Deno.KvU64(5n));
  await assertValue(kv, key("most"), new Deno.KvU64(5n));
  await assertValue(kv, key("doomed"), "written");
  assert.deepEqual(await log(kv), ["written"]);
  const { value } = await kv.get<string>(key("versionstamp of changing"));
  assert.equal(await assertValue(kv, key("changing"), "written"), value);

  await assertValue(kv, key("long"), "leased");
  for (const name of ["short", "renewed"]) {
    await clockShows((await timeOf(kv, name)).notAfter);
    await assertAbsent(kv, key(name));
  }
}

async function check(kv: Deno.Kv, target: string): Promise<void> {
  await checkWritten(kv);
  await checkSamples(kv, "touched");
  await assertValue(kv, key("count"), new Deno.KvU64(50n));
  await assertValue(kv, key("least"), new Deno.KvU64(3n));
  await assertValue(kv, key("most"), new Deno.KvU64(9n));
  await assertAbsent(kv, key("doomed"));
  await assertValue(kv, key("renewed"), "for good");
  await assertValue(kv, key("long"), "leased");
  await assertValue(kv, key("long again"), "leased");
  assert.deepEqual(await log(kv), ["written", "touched"]);

  // Versionstamps go on from where each one before left off.
  const { value: written } = await kv.get<string>(
    key("versionstamp of changing"),
  );
  const touched = await assertValue(kv, key("changing"), "touched");
  assert.ok(touched > (written as string));
  const { versionstamp: now } = await kv.set(key("checked"), true);
  const latest = await assertValue(
    kv,
    key("time of", "long again"),
    await timeOf(kv, "long again"),
  );
  assert.ok(now > latest && latest > touched);

  if (isFile(target)) {
    checkFile(target, {
      gone: [await expiryOf(kv, "short"), await expiryOf(kv, "short again")],
      leased: [await expiryOf(kv, "long"), await expiryOf(kv, "long again")],
      due: (await kv.get<ExpiryTime>(key("queued"))).value,
    });
  }
}

/** What both sides have to show of what was written first. */
async function checkWritten(kv: Deno.Kv): Promise<void> {
  await checkSamples(kv, "written");
  const entries = await collect(kv.list<number>({ prefix: key("parts") }));
  assert.deepEqual(
    entries.map((entry) => entry.key),
    orderedParts.map((part) => key("parts", part)),
  );
  assert.deepEqual(entries.map((entry) => entry.value), [
    ...orderedParts.keys(),
  ]);
}

/** Everything that Deno can store, by kind. */
function allSamples(): [string, unknown[]][] {
  return [
    ...Object.entries(sampleValues(Deno.KvU64)),
    ...Object.entries(denoSamples).map(([kind, samples]) =>
      [kind, samples()] as [string, unknown[]]
    ),
  ];
}

async function storeSamples(kv: Deno.Kv, name: string): Promise<void> {
  for (const [kind, samples] of allSamples()) {
    const store = kv.atomic();
    for (const [index, value] of samples.entries()) {
      store.set(key(name, kind, index), value);
    }
    await commit(store);
  }
}

async function checkSamples(kv: Deno.Kv, name: string): Promise<void> {
  let count = 0;
  for (const [kind, samples] of allSamples()) {
    for (const [index, value] of samples.entries()) {
      const entry = await kv.get(key(name, kind, index));
      assert.notEqual(
        entry.versionstamp,
        null,
        `${name}, ${kind} ${index} is missing`,
      );
      assertSame(entry.value, value);
      count++;
    }
  }
  assert.equal((await collect(kv.list({ prefix: key(name) }))).length, count);
}

/** Stores a key that expires, and beside it when it does. */
async function lease(
  kv: Deno.Kv,
  name: string,
  expireIn: number,
): Promise<void> {
  const time = await expiring(
    expireIn,
    () => kv.set(key(name), "leased", { expireIn }),
  );
  await kv.set(key("time of", name), time);
}

async function timeOf(kv: Deno.Kv, name: string): Promise<ExpiryTime> {
  const { value } = await kv.get<ExpiryTime>(key("time of", name));
  assert.ok(value !== null, `no time of ${name}`);
  return value;
}

async function expiryOf(
  kv: Deno.Kv,
  name: string,
): Promise<[string, ExpiryTime]> {
  return [name, await timeOf(kv, name)];
}

async function log(kv: Deno.Kv): Promise<unknown[]> {
  const entries = await collect(kv.list({ prefix: key("log") }));
  for (const entry of entries) {
    assert.equal(entry.key.at(-1), entry.versionstamp);
  }
  return entries.map((entry) => entry.value);
}

interface FileContents {
  gone: [string, ExpiryTime][];
  leased: [string, ExpiryTime][];
  due: ExpiryTime | null;
}

/** Looks at the tables, for what neither Deno nor a server shows of them. */
function checkFile(path: string, { gone, leased, due }: FileContents): void {
  const database = new DatabaseSync(path, { readOnly: true });
  const expiry = database.prepare("select expiration_ms from kv where k = ?");
  for (const [name, time] of [...leased, ...gone]) {
    const found = expiry.get(encodeKey(key(name)));
    // Deno's own engine shows an expired key until it is swept, so only its time counts.
    if (found === undefined && time.notAfter < Date.now()) continue;
    assertWithin(found?.expiration_ms, time);
  }
  const forGood = expiry.get(encodeKey(key("renewed")));
  assert.equal(forGood?.expiration_ms, -1);

  const messages = database.prepare("select * from queue").all();
  assert.equal(messages.length, due === null ? 0 : 1);
  assert.equal(database.prepare("select * from queue_running").all().length, 0);
  if (due !== null) {
    const [message] = messages;
    assert.deepEqual(deserialize(message?.data as Uint8Array), queued.message);
    assertWithin(message?.ts, due);
    assert.deepEqual(
      JSON.parse(message?.backoff_schedule as string),
      queued.backoffSchedule,
    );
    assert.deepEqual(
      JSON.parse(message?.keys_if_undelivered as string),
      queued.keysIfUndelivered.map((
        undelivered,
      ) => [...encodeKey(undelivered)]),
    );
  }
  database.close();
}

function assertWithin(
  actual: unknown,
  { notBefore, notAfter }: ExpiryTime,
): void {
  assert.equal(typeof actual, "number");
  assert.ok((actual as number) >= notBefore, `${actual} before ${notBefore}`);
  assert.ok((actual as number) <= notAfter, `${actual} after ${notAfter}`);
}

/** The stored form of a key whose parts are text without a NUL. */
function encodeKey(parts: Deno.KvKey): Uint8Array {
  return new Uint8Array(
    parts.flatMap((
      part,
    ) => [2, ...new TextEncoder().encode(part as string), 0]),
  );
}

function isFile(target: string): boolean {
  return !/^https?:/.test(target);
}

const commands: Record<string, (kv: Deno.Kv, target: string) => Promise<void>> =
  {
    write,
    "write-and-hold": writeAndHold,
    touch,
    check,
    "check-remote": checkRemote,
  };
const [name = "", target] = Deno.args;
const command = commands[name];
if (command === undefined || target === undefined) {
  throw new Error(
    "say `write`, `write-and-hold`, `check-remote`, `touch` or `check`, and a path or URL",
  );
}
const kv = await Deno.openKv(target);
await command(kv, target);
kv.close();
console.log("ok");
