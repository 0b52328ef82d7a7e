// BullMQ: see ../systems/bullmq.py for the settings and why.
import { hold, load, noop, pace, stamp, timed } from "./peer_notes.mjs";

const { Queue, Worker } = await load("bullmq");
const { hostname: host, port } = new URL(process.env.PEER_URL);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const [command, ...rest] = process.argv.slice(2);
const BATCH = 1000;

if (command === "work") {
  const run = {
    noop: () => noop(),
    stamp: (job) => stamp(job.data.at),
    hold: () => hold(),
  };
  const worker = new Worker("peers", async (job) => run[job.name](job), {
    connection,
    concurrency: 100,
    removeOnComplete: { count: 1000 },
  });
  process.on("SIGTERM", () => worker.close().then(() => process.exit(0)));
} else {
  const queue = new Queue("peers", { connection });
  if (command === "prepare") {
    await queue.waitUntilReady();
  } else if (command === "many") {
    const jobs = Number(rest[0]);
    await queue.waitUntilReady();
    await timed(async () => {
      for (let done = 0; done < jobs; done += BATCH) {
        const rows = Math.min(BATCH, jobs - done);
        await queue.addBulk(Array.from({ length: rows }, () => ({ name: "noop", data: {} })));
      }
    });
  } else if (command === "single") {
    await queue.add("noop", {});
    await timed(async () => {
      for (let done = 1; done < Number(rest[0]); done++) await queue.add("noop", {});
    });
  } else if (command === "pace") {
    await pace(Number(rest[0]), Number(rest[1]), (at) => queue.add("stamp", { at }));
  } else if (command === "hold") {
    await queue.add("hold", {});
  }
  await queue.close();
}
