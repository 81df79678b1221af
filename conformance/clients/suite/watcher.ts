// Reads a watch one state at a time.
import assert from "node:assert/strict";
import type { Context } from "./case.ts";
import { within } from "./waiting.ts";

export type State = Deno.KvEntryMaybe<unknown>[];

export class Watcher {
  readonly #reader: ReadableStreamDefaultReader<State>;

  /**
   * In raw mode @deno/kv hands on every state as it came; otherwise it leaves out
   * what the reader missed, and first states in which every key is absent.
   */
  constructor(kv: Deno.Kv, keys: Deno.KvKey[], options?: { raw?: boolean }) {
    this.#reader = kv.watch<unknown[]>(keys, options).getReader();
  }

  /** The next state, which has to come soon. */
  async next(ms?: number): Promise<State> {
    const { done, value } = await within(this.#reader.read(), "the watch", ms);
    if (done) throw new Error("the watch ended");
    return value;
  }

  /** Reads on to the first state that fits, and returns all that came up to it. */
  async until(fits: (state: State) => boolean, ms?: number): Promise<State[]> {
    const states: State[] = [];
    do states.push(await this.next(ms)); while (!fits(states.at(-1) as State));
    return states;
  }

  /** Asserts that the stream ends with the next read. */
  async ends(): Promise<void> {
    const { done } = await within(this.#reader.read(), "the end of the watch");
    assert.equal(done, true);
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

/** The values of a state, null for absent keys. */
export function values(state: State): unknown[] {
  return state.map((entry) => entry.value);
}

/** Sets the key and opens a watch that has shown it: what comes next is a change. */
export async function watchOf(
  { kv, key }: Context,
  name: string,
): Promise<Watcher> {
  await kv.set(key(name), "first");
  const watcher = new Watcher(kv, [key(name)]);
  assert.deepEqual(values(await watcher.next()), ["first"]);
  return watcher;
}
