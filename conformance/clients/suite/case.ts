// What a case is, and what it is given.
import type { Feature, RuntimeName } from "../runtime.ts";

export interface Context {
  /** A connection of this case's own. */
  kv: Deno.Kv;
  /** Opens a further connection, closed after the case. */
  open(accessToken?: string): Promise<Deno.Kv>;
  /** Where every key of the case begins, so that cases never meet. */
  prefix: Deno.KvKey;
  /** The key with these parts behind the prefix. */
  key(...parts: Deno.KvKeyPart[]): Deno.KvKey;
  KvU64: typeof Deno.KvU64;
  runtime: RuntimeName;
}

export type Run = (context: Context) => Promise<void>;

/** The cases of one topic, some of which only some clients can run. */
export type Cases = Record<string, Run | { requires: Feature; run: Run }>;
