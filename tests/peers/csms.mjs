// A central system on a foreign OCPP stack, which refuses every frame that breaks the official schemas.
// Usage: node csms.mjs CONFIG.json; prints its port, then a line for each message of a station and each breach.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import rpc from "ocpp-rpc";
import { strictModeValidators } from "./schemas.mjs";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const tell = (line) => console.log(JSON.stringify(line));
const server = new rpc.RPCServer({ protocols: [config.version], strictMode: true, strictModeValidators });

server.auth((accept, reject, { identity, request }) => {
  const { authorized } = request.socket;
  const { subject } = request.socket.getPeerCertificate();
  return authorized && subject.CN === config.identity && identity === config.identity ? accept({}) : reject(403);
});

const ACCEPTED = { idTagInfo: { status: "Accepted" }, idTokenInfo: { status: "Accepted" } };
const answers = {
  BootNotification: () => ({ status: "Accepted", interval: 60, currentTime: new Date().toISOString() }),
  Heartbeat: () => ({ currentTime: new Date().toISOString() }),
  SignCertificate: () => ({ status: "Accepted" }),
  StartTransaction: () => ({ transactionId: 1, idTagInfo: ACCEPTED.idTagInfo }),
  TransactionEvent: () => ({ idTokenInfo: ACCEPTED.idTokenInfo }),
  StopTransaction: () => ({}),
};

async function command(client, [method, params]) {
  try {
    tell({ command: method, answer: await client.call(method, params, { callTimeoutMs: 5_000 }) });
  } catch (error) {
    tell({ command: method, error: error.rpcErrorCode ?? error.message });
  }
}

server.on("client", (client) => {
  client.on("strictValidationFailure", ({ method, outbound, error }) => tell({ breach: method, outbound, why: error.message }));
  client.on("badMessage", ({ error }) => tell({ breach: "frame", why: error.message }));
  client.handle(({ method, params }) => {
    tell({ message: method, params });
    if (method === "BootNotification") setTimeout(async () => {
      for (const each of config.commands) await command(client, each);
      tell({ done: true });
    }, 300);
    return answers[method]?.() ?? {};
  });
});

const files = Object.fromEntries(["key", "cert", "ca"].map((name) => [name, readFileSync(config[name])]));
const https = createServer({ ...files, requestCert: true, rejectUnauthorized: true });
https.on("upgrade", server.handleUpgrade);
https.listen(0, "127.0.0.1", () => tell({ port: https.address().port }));
