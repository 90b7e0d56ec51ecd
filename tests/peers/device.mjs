// What a station is, whatever it speaks: settings, outlets, clock, and the connection that it has just now.
export class Device {
  constructor(config, credentials) {
    this.config = config;
    this.credentials = credentials;
    this.settings = new Map(Object.entries(config.settings ?? {}));
    this.operative = new Map(Array.from({ length: config.connectors }, (_, index) => [index + 1, true]));
    this.plugged = new Set();
    this.offset = 0;
    this.listVersion = 0;
    this.registered = false;
    this.reason = "PowerUp";
    this.later = [];
  }

  get outlets() {
    return [...this.operative.keys()];
  }

  connected(client) {
    this.client = client;
    this.later = [];
  }

  // Do something once the answer under way is on the wire.
  after(job) {
    this.later.push(job);
  }

  answered() {
    const jobs = this.later;
    this.later = [];
    // The stack tells of an answer just before it sends it.
    for (const job of jobs) setImmediate(() => Promise.resolve(job()).catch((error) => console.log(JSON.stringify({ failed: error.message }))));
  }

  call(action, payload) {
    return this.client.call(action, payload);
  }

  now() {
    return new Date(Date.now() + this.offset).toISOString();
  }

  setClock(time) {
    this.offset = Date.parse(time) - Date.now();
  }

  state(outlet, occupied) {
    if (this.plugged.has(outlet)) return occupied;
    return this.operative.get(outlet) ? "Available" : "Unavailable";
  }

  plug(outlet, plugged) {
    if (plugged) this.plugged.add(outlet);
    else this.plugged.delete(outlet);
  }

  // Make outlets operative or not; tell whether they are ours.
  change(outlets, operative) {
    if (!outlets.every((outlet) => this.operative.has(outlet))) return false;
    for (const outlet of outlets) this.operative.set(outlet, operative);
    return true;
  }

  restart() {
    this.reason = "RemoteReset";
    this.credentials.switch();
    this.client.close({ code: 1000 });
  }

  // Where the certificate store is asked what it trusts for connections.
  deleteRoot({ certificateHashData }) {
    return { status: this.credentials.remove(certificateHashData) ? "Accepted" : "NotFound" };
  }

  certificateSigned({ certificateChain }) {
    return { status: this.credentials.offer(certificateChain) ? "Accepted" : "Rejected" };
  }
}
