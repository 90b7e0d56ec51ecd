// A charging station on a foreign OCPP stack, which checks every frame of either side against the official schemas.
// Usage: node station.mjs CONFIG.json; it runs until it is killed, and prints each breach of a schema that it sees.
// A line {"outlet": 1, "plugged": true} on standard input is a vehicle that comes or goes.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import rpc from "ocpp-rpc";
import { Credentials } from "./credentials.mjs";
import { Device } from "./device.mjs";
import { strictModeValidators } from "./schemas.mjs";
import { V16 } from "./v16.mjs";
import { V20 } from "./v20.mjs";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const credentials = new Credentials(config);
const device = new Device(config, credentials);
const dialect = new (config.version === "ocpp1.6" ? V16 : V20)(device);

function dial() {
  const { ca, cert, key } = credentials.files();
  return new rpc.RPCClient({
    endpoint: config.endpoint,
    identity: config.identity,
    protocols: [config.version],
    strictMode: true,
    strictModeValidators,
    reconnect: false,
    password: config.password ?? null,
    pingIntervalMs: 0,
    callTimeoutMs: 10_000,
    wsOpts: { ca, cert, key, servername: "localhost", perMessageDeflate: false },
  });
}

function serve(client) {
  client.on("strictValidationFailure", ({ method, outbound, error }) =>
    console.log(JSON.stringify({ breach: method, outbound, why: error.message, details: error.details?.errors })),
  );
  client.handle(async ({ method, params }) => {
    const command = dialect.commands[method];
    if (!command) throw rpc.createRPCError("NotImplemented");
    const lie = config.lies?.includes(method); // it accepts this command, and never carries it out
    return lie ? dialect.accepted(method, params) : command.call(dialect, params);
  });
  client.on("response", ({ outbound }) => outbound && device.answered());
}

async function visit() {
  const client = dial();
  serve(client);
  const closed = new Promise((resolve) => client.once("close", resolve));
  await client.connect();
  device.connected(client);
  await Promise.race([dialect.live(), closed]);
  await closed;
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { outlet, plugged } = JSON.parse(line);
  device.plug(outlet, plugged);
  if (device.registered) dialect.status(outlet).catch(() => {});
});

for (;;) {
  try {
    await visit();
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.code ?? error.message) }));
  }
  await sleep(100);
}
