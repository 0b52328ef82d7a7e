// graphile-worker: see ../systems/graphile_worker.py for the settings and why.
import { hold, load, noop, pace, stamp, timed } from "./peer_notes.mjs";

const { makeWorkerUtils, run, Logger } = await load("graphile-worker");
const quiet = new Logger(() => () => {});
const connectionString = process.env.PEER_URL;
const [command, ...rest] = process.argv.slice(2);
const BATCH = 10_000;

if (command === "work") {
  const concurrentJobs = 24;
  const runner = await run({
    // Its own handler ends the process by the signal, before it could note how many jobs it ran.
    noHandleSignals: true,
    taskList: {
      noop: () => noop(),
      stamp: ({ at }) => stamp(at),
      hold: () => hold(),
    },
    preset: {
      worker: {
        connectionString,
        concurrentJobs,
        maxPoolSize: concurrentJobs + 1,
        localQueue: { size: Number(process.env.PEER_LOCAL_QUEUE ?? 500) },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
        logger: quiet,
      },
    },
  });
  process.on("SIGTERM", () => runner.stop().then(() => process.exit(0)));
} else {
  const utils = await makeWorkerUtils({ connectionString, logger: quiet });
  if (command === "prepare") {
    await utils.migrate();
  } else if (command === "many") {
    const jobs = Number(rest[0]);
    await timed(async () => {
      for (let done = 0; done < jobs; done += BATCH) {
        const rows = Math.min(BATCH, jobs - done);
        await utils.addJobs(Array.from({ length: rows }, () => ({ identifier: "noop", payload: {} })));
      }
    });
  } else if (command === "single") {
    await utils.addJob("noop", {});
    await timed(async () => {
      for (let done = 1; done < Number(rest[0]); done++) await utils.addJob("noop", {});
    });
  } else if (command === "pace") {
    await pace(Number(rest[0]), Number(rest[1]), (at) => utils.addJob("stamp", { at }));
  } else if (command === "hold") {
    await utils.addJob("hold", {});
  }
  await utils.release();
}
