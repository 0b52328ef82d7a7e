// pg-boss: see ../systems/pgboss.py for the settings and why.
import { hold, load, noop, pace, stamp, timed } from "./peer_notes.mjs";

const { PgBoss } = await load("pg-boss");
const [command, ...rest] = process.argv.slice(2);
const working = command === "work";
const BATCH = 10_000;
const boss = new PgBoss({
  connectionString: process.env.PEER_URL,
  useListenNotify: working,
  // Maintenance and schedules are the workers' business.
  supervise: working,
  schedule: false,
});
boss.on("error", console.error);
await boss.start();

if (working) {
  const eager = { burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 };
  await boss.work("noop", { ...eager, batchSize: 1000 }, async (jobs) => jobs.forEach(noop));
  await boss.work("stamp", { ...eager, batchSize: 1, localConcurrency: 4 }, async ([job]) => stamp(job.data.at));
  await boss.work("hold", { batchSize: 1 }, () => hold());
  process.on("SIGTERM", () => boss.stop({ graceful: true, timeout: 10_000 }).then(() => process.exit(0)));
} else {
  if (command === "prepare") {
    await boss.createQueue("noop", { notify: true });
    await boss.createQueue("stamp", { notify: true });
    await boss.createQueue("hold", { notify: true, heartbeatSeconds: 10, retryLimit: 3 });
  } else if (command === "many") {
    const jobs = Number(rest[0]);
    await timed(async () => {
      for (let done = 0; done < jobs; done += BATCH) {
        await boss.insert("noop", Array.from({ length: Math.min(BATCH, jobs - done) }, () => ({ data: {} })));
      }
    });
  } else if (command === "single") {
    await boss.send("noop", {});
    await timed(async () => {
      for (let done = 1; done < Number(rest[0]); done++) await boss.send("noop", {});
    });
  } else if (command === "pace") {
    await pace(Number(rest[0]), Number(rest[1]), (at) => boss.send("stamp", { at }));
  } else if (command === "hold") {
    await boss.send("hold", {});
  }
  await boss.stop({ graceful: false });
}
