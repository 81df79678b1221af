// Runs one case: alone under its own prefix, with a deadline, and tidied up after.
import { randomUUID } from "node:crypto";
import { KvU64, openKv, runtime } from "./runtime.ts";
import type { Context, Run } from "./suite/case.ts";
import { within } from "./suite/waiting.ts";

const caseDeadlineMs = 30_000;

/** Runs the case, and turns its outcome round if it is known to fail. */
export async function runCase(
  run: Run,
  knownDifference?: string,
): Promise<void> {
  if (knownDifference === undefined) return await runIsolated(run);
  try {
    await runIsolated(run);
  } catch (error) {
    console.log(`known difference: ${knownDifference}`);
    console.log(`  ${firstLine(error)}`);
    return;
  }
  throw new Error(
    `passes now: remove it from the known differences (${knownDifference})`,
  );
}

async function runIsolated(run: Run): Promise<void> {
  const name = `case-${randomUUID()}`;
  const prefix = [name];
  const opened: Deno.Kv[] = [];
  const open = async (accessToken?: string) => {
    const kv = await openKv(accessToken);
    opened.push(kv);
    return kv;
  };
  const kv = await within(open(), "openKv");
  if (runtime === "node") {
    // For a key that is absent, getMany of @deno/kv decodes the key behind it as well,
    // and fails if Deno wrote that. So behind the last key of a case there is this one.
    await kv.set([`${name}\u0000`], new Uint8Array());
  }
  const context: Context = {
    kv,
    open,
    prefix,
    key: (...parts) => [...prefix, ...parts],
    KvU64,
    runtime,
  };
  try {
    await within(run(context), "the case", caseDeadlineMs);
  } finally {
    // Closing first also ends what a failed case left under way.
    for (const kv of opened) close(kv);
    await within(removeAll(name), "cleaning up");
  }
}

function close(kv: Deno.Kv): void {
  try {
    kv.close();
  } catch { /* the case closed it */ }
}

/** Leaves a server with data of its own as it was. */
async function removeAll(name: string): Promise<void> {
  const kv = await openKv();
  try {
    const selector = { start: [name], end: [`${name}\u0001`] };
    let removal = kv.atomic();
    let count = 0;
    for await (const { key } of kv.list(selector, { batchSize: 500 })) {
      removal.delete(key);
      // Well below the limits on mutations and on the size of a write.
      if (++count % 250 === 0) {
        await removal.commit();
        removal = kv.atomic();
      }
    }
    if (count > 0) await removal.commit();
  } finally {
    kv.close();
  }
}

function firstLine(error: unknown): string {
  return String(error).split("\n")[0] as string;
}
