// The program's side of a dialog with whoever runs it: it prints a line that begins
// with @ to have something done, and reads one line once it is done.
import process from "node:process";
import { createInterface } from "node:readline";

/** Prints the line, and waits for the line that answers it. */
export async function ask(line: string, answer: string): Promise<void> {
  const input = createInterface({ input: process.stdin });
  console.log(line);
  try {
    for await (const got of input) {
      if (got === answer) return;
    }
    throw new Error(`standard input ended before the line ${answer}`);
  } finally {
    input.close();
  }
}
