// A server under test may have faults that are known and not ours, as the oracle has.
// KV_KNOWN_DIFFERENCES names a JSON file that lists them:
//
//   [{ "case": "topic/name", "runtime": "node", "reason": "…" }]
//
// A listed case has to fail, else the entry has had its day and is an error itself.
// Without "runtime" an entry holds for both.
import { readFileSync } from "node:fs";
import process from "node:process";
import { runtime, type RuntimeName } from "./runtime.ts";

interface KnownDifference {
  case: string;
  runtime?: RuntimeName;
  reason: string;
}

/** The reasons of the known differences of this runtime, by the name of the case. */
export function knownDifferences(
  caseNames: Iterable<string>,
): Map<string, string> {
  const file = process.env.KV_KNOWN_DIFFERENCES;
  if (!file) return new Map();
  const entries = JSON.parse(readFileSync(file, "utf8")) as KnownDifference[];
  const names = new Set(caseNames);
  const reasons = new Map<string, string>();
  for (const entry of entries) {
    if (!names.has(entry.case)) {
      throw new Error(`${file}: there is no case ${entry.case}`);
    }
    if (entry.runtime !== undefined && entry.runtime !== runtime) continue;
    reasons.set(entry.case, entry.reason);
  }
  return reasons;
}
