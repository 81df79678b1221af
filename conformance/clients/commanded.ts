// Does what it is told with databases, in Deno and in Node: one command in JSON on each
// line of its standard input, one answer or piece of news on each line of its output.
//
//   {"id": 1, "op": "open", "url": "http://...", "token": "..."}   {"id": 1, "result": 0}
//   {"id": 2, "op": "set", "kv": 0, "key": "a", "value": "b"}      {"id": 2, "result": "..."}
//   {"id": 3, "op": "watch", "kv": 0, "key": "a"}                  {"id": 3, "result": null}
//                                                                  {"news": 3, "value": "b"}
//
// An action that fails is answered with {"id": ..., "error": the text of the exception},
// and a watch or a worker that ends with {"news": ..., "error": ...}. An exception that
// nobody catches is {"unhandled": ...}. The program ends with its standard input.
import process from "node:process";
import { createInterface } from "node:readline";
import { openKvAt } from "./runtime.ts";
import { pause } from "./suite/waiting.ts";

interface Command {
  id: number;
  op: string;
  kv: number;
  url: string;
  token: string;
  key: string;
  value: string;
  bytes: number;
  raw: boolean;
}

const opened: Deno.Kv[] = [];
const resting = new Set<number>();

function say(line: unknown): void {
  process.stdout.write(JSON.stringify(line) + "\n");
}

/** Tells each state of a key, until the watch ends. */
async function follow(kv: Deno.Kv, command: Command): Promise<void> {
  const { id, key, raw } = command;
  for await (const [entry] of kv.watch<string[]>([[key]], { raw })) {
    say({ news: id, value: entry?.value ?? "" });
  }
}

/** Counts up in a key and reads it back, until it is told to rest or something fails. */
async function work(kv: Deno.Kv, { id, key }: Command): Promise<void> {
  for (let round = 1; !resting.has(id); round++) {
    await kv.set([key], String(round));
    const { value } = await kv.get([key]);
    if (value !== String(round)) throw new Error(`${value}, not ${round}`);
    say({ news: id, value: String(round) });
    await pause();
  }
  throw new Error("rested");
}

/** Carries out what goes on beside other commands. */
function begin(id: number, running: Promise<void>): null {
  running.then(
    () => say({ news: id, error: "ended without an error" }),
    (error) => say({ news: id, error: String(error) }),
  );
  return null;
}

async function carryOut(command: Command): Promise<unknown> {
  const { op, key, value, bytes } = command;
  if (op === "open") {
    return opened.push(await openKvAt(command.url, command.token)) - 1;
  }
  const kv = opened[command.kv] as Deno.Kv;
  switch (op) {
    case "set":
      return (await kv.set([key], value)).versionstamp;
    case "fill":
      return (await kv.set([key], new Uint8Array(bytes))).versionstamp;
    case "get": {
      const entry = await kv.get<string>([key]);
      return { value: entry.value, versionstamp: entry.versionstamp ?? "" };
    }
    case "delete":
      return await kv.delete([key]);
    case "watch":
      return begin(command.id, follow(kv, command));
    case "work":
      return begin(command.id, work(kv, command));
    case "rest":
      resting.add(Number(value));
      return null;
    default:
      throw new Error(`there is no command ${op}`);
  }
}

process.on(
  "unhandledRejection",
  (error: unknown) => say({ unhandled: String(error) }),
);
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  carryOut(command).then(
    (result) => say({ id: command.id, result: result ?? null }),
    (error) => say({ id: command.id, error: String(error) }),
  );
}
process.exit(0);
