// Measures what a Deno program sees of a KV Connect server, or of several in turn.
//
//   deno run -A --unstable-kv bench.ts [FLAG...] [NAME=]URL...
//
//   --seconds N         how long each case is measured, in each round (1), after a
//                       fifth of that to warm up
//   --rounds N          how often all cases are run (3)
//   --in-flight N       calls at once, beside one after another (64)
//   --keys N            entries that are stored before, 500 or more (1000)
//   --value-bytes N     length of a value, a string (100)
//   --access-token T    once for all servers, or once for each in their order;
//                       without, DENO_KV_ACCESS_TOKEN
//   --json              prints JSON in place of the table
//
// Each case runs for a while on each server in turn, and so round by round, so that
// what disturbs the machine disturbs all of them. Ratios are to the first server, in
// the same round. The loop is closed: a call is made when one before it has ended. What
// is stored lies under keys that begin with "kvconnect-bench-deno"; they are deleted
// before and after. docs/bench.md explains the figures.
import { parseArgs } from "node:util";

const prefix = "kvconnect-bench-deno";
const listSizes = [10, 100, 500];
const maxBatch = 100;
/** How long a case runs before it is measured, as a share of that time. */
const warmupShare = 0.2;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "seconds": { type: "string", default: "1" },
    "rounds": { type: "string", default: "3" },
    "in-flight": { type: "string", default: "64" },
    "keys": { type: "string", default: "1000" },
    "value-bytes": { type: "string", default: "100" },
    "access-token": { type: "string", multiple: true },
    "json": { type: "boolean", default: false },
  },
});

/** The number that a flag has, which must be in the range. */
function number(
  flag: "seconds" | "rounds" | "in-flight" | "keys" | "value-bytes",
  least: number,
  top: number,
): number {
  const value = Number(flags[flag]);
  const whole = flag === "seconds" || Number.isInteger(value);
  if (!whole || !(value >= least && value <= top)) {
    fail(`--${flag} ${flags[flag]}: give a number from ${least} to ${top}`);
  }
  return value;
}

function fail(text: string): never {
  console.error(`bench.ts: ${text}`);
  Deno.exit(1);
}

const settings = {
  seconds: number("seconds", 0.001, 86_400),
  rounds: number("rounds", 1, 1_000_000),
  in_flight: number("in-flight", 1, 10_000),
  keys: number("keys", Math.max(...listSizes), 10_000_000),
  value_bytes: number("value-bytes", 1, 60_000),
};

/** Whether the user wants no more. */
let interrupted = false;

interface Server {
  name: string;
  url: string;
  kv: Deno.Kv;
}

/** What was measured of one case on one server in one round. */
interface Sample {
  elapsedMs: number;
  latenciesMs: number[];
}

interface Case {
  name: string;
  inFlight: number;
  call(kv: Deno.Kv, worker: number): Promise<void>;
}

const value = "x".repeat(settings.value_bytes);
const key = (...parts: Deno.KvKeyPart[]) => [prefix, ...parts];
const anyOf = (count: number) => Math.floor(Math.random() * count);

async function openServers(): Promise<Server[]> {
  if (positionals.length === 0) fail("name the URL of a server");
  const tokens = flags["access-token"] ?? [];
  if (tokens.length > 1 && tokens.length !== positionals.length) {
    fail("give --access-token once, or once for each server");
  }
  const servers: Server[] = [];
  for (const [index, text] of positionals.entries()) {
    const named = /^(?<name>[^=:/]+)=(?<url>.*)$/.exec(text)?.groups;
    const url = named?.url ?? text;
    if (!/^https?:\/\//.test(url)) fail(`${text}: give the URL of a server`);
    const name = named?.name ?? new URL(url).host;
    if (servers.some((other) => other.name === name)) {
      fail(`two servers are called ${name}: put a name before each URL`);
    }
    // Deno takes the token from there when it opens a database.
    const token = tokens[index] ?? tokens[0];
    if (token !== undefined) Deno.env.set("DENO_KV_ACCESS_TOKEN", token);
    servers.push({ name, url, kv: await Deno.openKv(url) });
  }
  return servers;
}

/** Deletes everything that a bench has stored. */
async function clear(kv: Deno.Kv): Promise<void> {
  let batch = kv.atomic();
  let size = 0;
  for await (const entry of kv.list({ prefix: [prefix] })) {
    batch.delete(entry.key);
    if (++size % maxBatch === 0) {
      await batch.commit();
      batch = kv.atomic();
    }
  }
  await batch.commit();
}

async function fill(kv: Deno.Kv): Promise<void> {
  const perBatch = Math.max(
    1,
    Math.min(maxBatch, Math.floor(400_000 / settings.value_bytes)),
  );
  for (
    let first = 0;
    first < settings.keys && !interrupted;
    first += perBatch
  ) {
    const batch = kv.atomic();
    const end = Math.min(first + perBatch, settings.keys);
    for (let n = first; n < end; n++) batch.set(key("entries", n), value);
    await batch.commit();
  }
}

function expect(ok: boolean, what: string): void {
  if (!ok) throw new Error(`the server gave a wrong reply: ${what}`);
}

async function get(kv: Deno.Kv): Promise<void> {
  const entry = await kv.get<string>(key("entries", anyOf(settings.keys)));
  expect(entry.value?.length === value.length, "another value");
}

async function set(kv: Deno.Kv): Promise<void> {
  const result = await kv.set(key("entries", anyOf(settings.keys)), value);
  expect(result.ok && result.versionstamp !== "", "no versionstamp");
}

/** A set and a sum, if a key that nobody sets is absent. */
async function atomic(kv: Deno.Kv, worker: number): Promise<void> {
  const result = await kv.atomic()
    .check({ key: key("absent"), versionstamp: null })
    .set(key("atomic", worker), value)
    .sum(key("count", worker), 1n)
    .commit();
  expect(result.ok, "a check failed that holds");
}

function list(size: number): Case["call"] {
  return async (kv) => {
    const first = anyOf(settings.keys - size + 1);
    const selector = {
      prefix: key("entries"),
      start: key("entries", first),
    };
    let found = 0;
    const entries = kv.list<string>(selector, { limit: size, batchSize: size });
    for await (const entry of entries) {
      expect(entry.key[2] === first + found, "another key");
      found++;
    }
    expect(found === size, `${found} entries, not ${size}`);
  };
}

function cases(): Case[] {
  const calls: Record<string, Case["call"]> = { get, set };
  for (const size of listSizes) calls[`list${size}`] = list(size);
  calls.atomic = atomic;
  const inFlight = [...new Set([1, settings.in_flight])];
  return inFlight.flatMap((inFlight) =>
    Object.entries(calls).map(([name, call]) => ({ name, inFlight, call }))
  );
}

/** Keeps calls in flight for a time, and waits for the last of them. */
async function load(one: Case, kv: Deno.Kv, forMs: number): Promise<Sample> {
  const latenciesMs: number[] = [];
  const begun = performance.now();
  const work = async (worker: number) => {
    while (!interrupted) {
      const start = performance.now();
      if (start >= begun + forMs) break;
      await one.call(kv, worker);
      latenciesMs.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: one.inFlight }, (_, n) => work(n)));
  return { elapsedMs: performance.now() - begun, latenciesMs };
}

async function measure(one: Case, kv: Deno.Kv): Promise<Sample> {
  const forMs = settings.seconds * 1_000;
  await load(one, kv, warmupShare * forMs);
  return await load(one, kv, forMs);
}

function figures(samples: Sample[]) {
  const latencies = Float64Array.from(samples.flatMap((s) => s.latenciesMs))
    .sort();
  const elapsedMs = samples.reduce((sum, s) => sum + s.elapsedMs, 0);
  const quantileUs = (q: number) =>
    (latencies[Math.ceil(q * latencies.length) - 1] ?? 0) * 1_000;
  return {
    operations: latencies.length,
    elapsed_seconds: elapsedMs / 1_000,
    operations_per_second: latencies.length / (elapsedMs / 1_000),
    p50_us: quantileUs(0.5),
    p99_us: quantileUs(0.99),
  };
}

type Figures = ReturnType<typeof figures>;

interface Result extends Figures {
  case: string;
  in_flight: number;
  server: string;
  rounds: Figures[];
}

function spread(
  result: Result,
  base: Result,
  figure: "operations_per_second" | "p50_us" | "p99_us",
) {
  const rounds = Math.min(result.rounds.length, base.rounds.length);
  const all = Array.from(
    { length: rounds },
    (_, n) => result.rounds[n]![figure] / base.rounds[n]![figure],
  ).sort((a, b) => a - b);
  const middle = Math.floor(all.length / 2);
  const median = all.length % 2 === 1
    ? all[middle]!
    : (all[middle - 1]! + all[middle]!) / 2;
  return { median, lowest: all[0]!, highest: all[all.length - 1]! };
}

function ratios(results: Result[], servers: Server[]) {
  const base = (result: Result) =>
    results.find((other) =>
      other.case === result.case && other.in_flight === result.in_flight &&
      other.server === servers[0]?.name
    );
  return results.flatMap((result) => {
    const first = base(result);
    if (first === undefined || first === result) return [];
    return [{
      case: result.case,
      in_flight: result.in_flight,
      server: result.server,
      base: first.server,
      operations_per_second: spread(result, first, "operations_per_second"),
      p50: spread(result, first, "p50_us"),
      p99: spread(result, first, "p99_us"),
    }];
  });
}

/** Lines of cells, the first two aligned to the left and the others to the right. */
function table(lines: string[][]): string {
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length))
  );
  const aligned = (cell: string, column: number) =>
    column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return lines.map((line) => `  ${line.map(aligned).join("  ")}`).join("\n");
}

const caseName = (result: { case: string; in_flight: number }) =>
  `${result.case} ×${result.in_flight}`;
const ms = (us: number) => `${(us / 1_000).toFixed(2)} ms`;

function printTable(results: Result[], servers: Server[]): void {
  console.log(table([
    ["case ×in flight", "server", "ops/s", "p50", "p99"],
    ...results.map((result) => [
      caseName(result),
      result.server,
      result.operations_per_second.toFixed(0),
      ms(result.p50_us),
      ms(result.p99_us),
    ]),
  ]));
  if (servers.length < 2) return;
  const text = (s: ReturnType<typeof spread>) =>
    `${s.median.toFixed(2)} (${s.lowest.toFixed(2)} to ${
      s.highest.toFixed(2)
    })`;
  const base = servers[0]!.name;
  console.log(
    `\nas a multiple of ${base} in the same round: median (lowest to highest)\n`,
  );
  console.log(table([
    ["case ×in flight", "server", "ops/s", "p50", "p99"],
    ...ratios(results, servers).map((ratio) => [
      caseName(ratio),
      ratio.server,
      text(ratio.operations_per_second),
      text(ratio.p50),
      text(ratio.p99),
    ]),
  ]));
}

async function run(servers: Server[]): Promise<Result[]> {
  const all = cases();
  const samples = new Map<string, Sample[]>();
  const name = (one: Case, server: Server) =>
    JSON.stringify([one.name, one.inFlight, server.name]);
  for (const server of servers) {
    await clear(server.kv);
    await fill(server.kv);
  }
  for (let round = 0; round < settings.rounds; round++) {
    for (const one of all) {
      for (let turn = 0; turn < servers.length && !interrupted; turn++) {
        const server = servers[(turn + round) % servers.length]!;
        const sample = await measure(one, server.kv);
        if (sample.latenciesMs.length === 0) continue; // interrupted
        const at = name(one, server);
        samples.set(at, [...samples.get(at) ?? [], sample]);
      }
    }
  }
  return all.flatMap((one) =>
    servers.flatMap((server) => {
      const rounds = samples.get(name(one, server));
      if (rounds === undefined) return [];
      return [{
        case: one.name,
        in_flight: one.inFlight,
        server: server.name,
        ...figures(rounds),
        rounds: rounds.map((sample) => figures([sample])),
      }];
    })
  );
}

let servers: Server[] = [];
try {
  servers = await openServers();
} catch (error) {
  fail(String(error));
}
Deno.addSignalListener("SIGINT", () => {
  if (interrupted) Deno.exit(130);
  interrupted = true;
});
let results: Result[] = [];
let failure: unknown;
try {
  results = await run(servers);
} catch (error) {
  failure = error;
}
for (const server of servers) {
  await clear(server.kv).catch((error) => failure ??= error);
}
if (failure !== undefined) fail(String(failure));
if (interrupted) {
  if (results.length === 0) fail("interrupted before anything was measured");
  console.error("bench.ts: interrupted: what was not measured is left out");
}
if (flags.json) {
  const report = {
    format: 1,
    interrupted,
    settings,
    servers: servers.map(({ name, url }) => ({ name, url })),
    results,
    ratios: servers.length > 1 ? ratios(results, servers) : [],
  };
  console.log(JSON.stringify(report, null, 2));
} else {
  printTable(results, servers);
}
for (const server of servers) server.kv.close();
Deno.exit(0); // the listener for signals would go on
