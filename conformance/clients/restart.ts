// Lives through a restart of the server, in Deno and in Node.
//
//   restart.ts quiet|busy [exact]       (KV_URL and DENO_KV_ACCESS_TOKEN are set)
//
// The protocol with whoever drives it:
//
//   1. The program prints the line `@restart` on its standard output.
//   2. The driver stops the server, starts it again on the same address with the same
//      data, and writes the line `restarted` to the program's standard input.
//   3. The program checks that everything works again, prints `ok` and exits with 0.
//      Otherwise it says on standard error what is wrong, and exits with 1.
//
// In the quiet variant only a watch is open meanwhile; in the busy one, sets, sums and
// gets go on all through the restart. `exact` demands that each sum was carried out
// exactly once: a server that drains before it stops can promise that to Deno, one
// that is killed cannot, since the client sends a write without a reply again.
//
// Deno's client is expected to hide the restart: an error that reaches the program is
// a failure. @deno/kv hides none of it, so there the program itself tries again.
import assert from "node:assert/strict";
import process from "node:process";
import { ask } from "./driver.ts";
import { KvU64, openKv, runtime } from "./runtime.ts";
import { assertAbsent, assertValue, commit } from "./suite/assertions.ts";
import { clockShows, expiring, pause, within } from "./suite/waiting.ts";
import type { State } from "./suite/watcher.ts";

const patienceMs = 60_000;
const [, , mode, precision] = process.argv;
const root = ["restart", `${runtime}-${Date.now()}`];
const key = (...parts: Deno.KvKeyPart[]) => [...root, ...parts];

/** Repeats what fails for lack of a server, as programs with @deno/kv have to. */
async function persistently<T>(
  action: () => Promise<T>,
  onFailure = () => {},
): Promise<T> {
  for (const giveUpAt = Date.now() + patienceMs;;) {
    try {
      return await action();
    } catch (error) {
      if (runtime === "deno" || Date.now() > giveUpAt) throw error;
      onFailure();
      await pause();
    }
  }
}

/** The last state that a watch has shown, kept up to date through every restart. */
class Follower {
  #state: State = [];
  #changed = () => {};
  failure: unknown;

  constructor(kv: Deno.Kv, keys: Deno.KvKey[]) {
    this.#follow(kv, keys).catch((error) => this.failure = error);
  }

  async #follow(kv: Deno.Kv, keys: Deno.KvKey[]): Promise<void> {
    while (true) {
      // Raw, for a broken connection under any other watch of @deno/kv ends Node.
      const stream = kv.watch<unknown[]>(keys, { raw: runtime === "node" });
      try {
        for await (const state of stream) {
          this.#state = state;
          this.#changed();
        }
        throw new Error("the watch ended");
      } catch (error) {
        if (runtime === "deno") throw error;
        await pause();
      }
    }
  }

  /** Waits until the watch shows these values. */
  async shows(...expected: unknown[]): Promise<void> {
    const fits = () =>
      this.#state.length === expected.length &&
      this.#state.every((entry, index) => entry.value === expected[index]);
    const shown = new Promise<void>((resolve) => {
      this.#changed = () => {
        if (fits()) resolve();
      };
      this.#changed();
    });
    try {
      await within(shown, `the watch showing ${expected}`, patienceMs);
    } catch (error) {
      throw this.failure ?? error;
    }
  }
}

/** Writes and reads without a pause, and keeps account of what was acknowledged. */
class Worker {
  rounds = 0;
  failures = 0;
  #stopping = false;
  readonly #done: Promise<void>;

  constructor(private readonly kv: Deno.Kv) {
    this.#done = this.#work();
    // Looked at when the worker stops; until then a failure has to wait.
    this.#done.catch(() => {});
  }

  async #work(): Promise<void> {
    const { kv } = this;
    while (!this.#stopping) {
      const next = this.rounds + 1;
      await persistently(() =>
        kv.atomic().set(key("round"), next).set(key("log", next), next).commit()
      );
      await persistently(
        () => commit(kv.atomic().sum(key("sum"), 1n)),
        () => this.failures++,
      );
      // Nobody else writes here, so a read may show nothing but the last write.
      const entry = await persistently(() => kv.get(key("round")));
      assert.equal(entry.value, next);
      this.rounds = next;
    }
  }

  /** Waits until so many more rounds are through. */
  async advance(rounds: number): Promise<void> {
    const goal = this.rounds + rounds;
    const advanced = (async () => {
      while (this.rounds < goal) await pause();
    })();
    await within(
      Promise.race([advanced, this.#done]),
      `${rounds} more rounds`,
      patienceMs,
    );
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await within(this.#done, "the last round", patienceMs);
  }

  /** Asserts that all that was acknowledged is there, and nothing else. */
  async check(): Promise<void> {
    const { kv, rounds } = this;
    const log: unknown[] = [];
    for await (const entry of kv.list({ prefix: key("log") })) {
      log.push(entry.value);
    }
    assert.deepEqual(
      log,
      Array.from({ length: rounds }, (_, index) => index + 1),
    );
    await assertValue(kv, key("round"), rounds);

    const { value } = await kv.get<Deno.KvU64>(key("sum"));
    const sums = Number(value?.value);
    // A sum that failed without a reply may have been carried out or not.
    assert.ok(sums >= rounds, `${rounds} sums acknowledged, ${sums} found`);
    if (precision === "exact") {
      assert.ok(
        sums <= rounds + this.failures,
        `${rounds} sums acknowledged, ${this.failures} failed, ${sums} found`,
      );
    }
    console.log(`rounds ${rounds}, failures ${this.failures}, sums ${sums}`);
  }
}

async function main(): Promise<void> {
  assert.ok(mode === "quiet" || mode === "busy", "say `quiet` or `busy`");
  const kv = await openKv();
  const stored: [Deno.KvKey, unknown][] = [
    [key("text"), "before the restart"],
    [key("object"), { list: [1, 2n, new Date(3)] }],
    [key("bytes"), new Uint8Array([1, 2, 3])],
    [key("count"), new KvU64(41n)],
  ];
  const versionstamps: string[] = [];
  for (const [storedKey, value] of stored) {
    versionstamps.push((await kv.set(storedKey, value)).versionstamp);
  }
  await kv.set(key("watched"), "before");
  const follower = new Follower(kv, [key("watched"), key("lease")]);
  // Runs out while the server is down, or soon after.
  const { notAfter } = await expiring(
    2_000,
    () => kv.set(key("lease"), "held", { expireIn: 2_000 }),
  );
  await follower.shows("before", "held");
  const worker = mode === "busy" ? new Worker(kv) : undefined;
  await worker?.advance(50);

  await ask("@restart", "restarted");

  await worker?.advance(50);
  await worker?.stop();
  const { versionstamp } = await persistently(() =>
    kv.set(key("watched"), "after")
  );
  await clockShows(notAfter);
  await persistently(() => assertAbsent(kv, key("lease")));
  for (const [index, [storedKey, value]] of stored.entries()) {
    assert.equal(await assertValue(kv, storedKey, value), versionstamps[index]);
  }
  assert.ok(versionstamp > (versionstamps.at(-1) as string));
  await commit(kv.atomic().sum(key("count"), 1n));
  await assertValue(kv, key("count"), new KvU64(42n));
  await worker?.check();

  await follower.shows("after", null);
  await kv.set(key("watched"), "and again");
  await follower.shows("and again", null);
  console.log("ok");
}

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
