// What the Node systems' workers note down: see ../peer.py.
import { appendFileSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.env.PEER_NOTES;
let file;
let ran = 0;

function line(text) {
  file ??= openSync(join(folder, `${process.pid}.txt`), "a");
  writeSync(file, text + "\n");
}

process.on("exit", () => {
  if (ran) appendFileSync(join(folder, `${process.pid}.txt`), `ran ${ran}\n`);
});

/** Imports a package of the system's own environment, which is elsewhere. */
export async function load(name) {
  return import(pathToFileURL(createRequire(join(process.env.PEER_ENV, "_.js")).resolve(name)).href);
}

export const noop = () => {
  ran += 1;
};

/** Unix time in milliseconds, with fractions. */
const now = () => performance.timeOrigin + performance.now();

/** Notes how long ago that moment was; 0 is none. */
export const stamp = (intendedS) => {
  if (intendedS) line(`stamp ${(now() - intendedS * 1000).toFixed(3)}`);
};

/** Resolves at once for the second one, never for the first. */
export async function hold() {
  const first = !readdirSync(folder).some((name) => readFileSync(join(folder, name), "utf8").includes("hold"));
  line(`hold ${process.pid} ${(now() / 1000).toFixed(6)}`);
  if (first) await new Promise((resolve) => setTimeout(resolve, 3_600_000));
}

/** Runs `enqueue(intended)` at the intended moments, Unix time in seconds, evenly spread; and with 0 before: see ../peer.py. */
export async function pace(rate, seconds, enqueue) {
  await enqueue(0);
  const beganMs = now() + 100;
  for (let number = 0; number < rate * seconds; number++) {
    const intendedMs = beganMs + (number * 1000) / rate;
    const waitMs = intendedMs - now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    await enqueue(intendedMs / 1000);
  }
}

/** Prints how long it took, in seconds. */
export async function timed(work) {
  const began = performance.now();
  await work();
  console.log((performance.now() - began) / 1000);
}
