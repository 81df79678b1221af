// The whole suite under `node --test`. See README.md for how to run it.
import { test } from "node:test";
import { knownDifferences } from "./known_differences.ts";
import { runCase } from "./run_case.ts";
import { features } from "./runtime.ts";
import { allCases } from "./suite/all.ts";

const known = knownDifferences(allCases.keys());

for (const [name, { run, requires }] of allCases) {
  const missing = requires && !features[requires].present;
  test(
    name,
    { skip: missing ? features[requires].otherwise : false },
    () => runCase(run, known.get(name)),
  );
}
