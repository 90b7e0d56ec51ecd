// OCPP 1.6 with the security extension, as this station speaks it.
const READ_ONLY = ["NumberOfConnectors", "SupportedFeatureProfiles", "CertificateSignedMaxChainSize", "CertificateStoreMaxLength"];
const SECRET = ["AuthorizationKey"];
const DEFAULTS = {
  HeartbeatInterval: "60",
  MeterValuesSampledData: "Energy.Active.Import.Register",
  ConnectionTimeOut: "30",
  CpoName: "",
  SupportedFeatureProfiles: "Core,LocalAuthListManagement,RemoteTrigger,SmartCharging",
  CertificateSignedMaxChainSize: "10000",
  CertificateStoreMaxLength: "8",
};

export class V16 {
  constructor(device) {
    this.device = device;
    this.transactions = new Map();
    device.settings = new Map([...Object.entries(DEFAULTS), ...device.settings]);
    device.settings.set("NumberOfConnectors", String(device.outlets.length));
  }

  // The life of a connection, until it is accepted; what comes later is a matter of commands.
  async live() {
    if (this.device.registered) {
      await this.report();
      return;
    }
    await this.boot();
  }

  async boot() {
    const { config } = this.device;
    const answer = await this.device.call("BootNotification", {
      chargePointVendor: config.vendor,
      chargePointModel: config.model,
      chargePointSerialNumber: config.serial,
      firmwareVersion: config.firmware,
      ...config.boot,
    });
    this.device.setClock(answer.currentTime);
    this.device.registered = answer.status === "Accepted";
    if (this.device.registered) {
      await this.securityEvent("StartupOfTheDevice");
      await this.report();
    }
  }

  securityEvent(type) {
    return this.device.call("SecurityEventNotification", { type, timestamp: this.device.now() });
  }

  async report() {
    await this.status(0);
    for (const outlet of this.device.outlets) await this.status(outlet);
  }

  status(outlet) {
    const said = outlet === 0 ? "Available" : this.device.state(outlet, this.charging(outlet));
    return this.device.call("StatusNotification", { connectorId: outlet, errorCode: "NoError", status: said, timestamp: this.device.now() });
  }

  charging(outlet) {
    const running = [...this.transactions.values()].some((transaction) => transaction.outlet === outlet);
    return running ? "Charging" : "Preparing";
  }

  async meter(outlet) {
    const measurands = this.device.settings.get("MeterValuesSampledData").split(",");
    const units = { "Energy.Active.Import.Register": "Wh", "Power.Active.Import": "W", "Current.Import": "A", Voltage: "V" };
    const sampledValue = measurands.map((measurand) => ({ value: "0", measurand, ...(units[measurand] && { unit: units[measurand] }), context: "Trigger" }));
    await this.device.call("MeterValues", { connectorId: outlet, meterValue: [{ timestamp: this.device.now(), sampledValue }] });
  }

  async signCertificate() {
    await this.device.call("SignCertificate", {
      csr: this.device.credentials.request(this.device.settings.get("CpoName"), this.device.config.serial),
    });
  }

  async begin(outlet, idTag) {
    const answer = await this.device.call("StartTransaction", { connectorId: outlet, idTag, meterStart: 0, timestamp: this.device.now() });
    if (answer.idTagInfo.status === "Accepted") this.transactions.set(answer.transactionId, { outlet, idTag });
    await this.status(outlet);
  }

  async end(transactionId) {
    const { outlet, idTag } = this.transactions.get(transactionId);
    this.transactions.delete(transactionId);
    await this.device.call("StopTransaction", { transactionId, idTag, meterStop: 0, timestamp: this.device.now(), reason: "Remote" });
    await this.status(outlet);
  }

  accepted() {
    return { status: "Accepted" };
  }

  trigger({ requestedMessage, connectorId }) {
    const outlets = connectorId === undefined ? this.device.outlets : [connectorId];
    const each = (job) => async () => {
      for (const outlet of outlets) await job(outlet);
    };
    const jobs = {
      BootNotification: () => this.boot(),
      Heartbeat: async () => this.device.setClock((await this.device.call("Heartbeat", {})).currentTime),
      StatusNotification: each((outlet) => this.status(outlet)),
      MeterValues: each((outlet) => this.meter(outlet)),
      FirmwareStatusNotification: () => this.device.call("FirmwareStatusNotification", { status: "Idle" }),
      LogStatusNotification: () => this.device.call("LogStatusNotification", { status: "Idle" }),
      SignChargePointCertificate: () => this.signCertificate(),
    };
    if (!jobs[requestedMessage]) return { status: "NotImplemented" };
    this.device.after(jobs[requestedMessage]);
    return { status: "Accepted" };
  }

  commands = {
    GetConfiguration({ key }) {
      const known = (name) => this.device.settings.has(name) || SECRET.includes(name);
      const asked = key?.length ? key : [...this.device.settings.keys(), ...SECRET];
      const entry = (name) => ({
        key: name,
        readonly: READ_ONLY.includes(name),
        ...(SECRET.includes(name) ? {} : { value: this.device.settings.get(name) }),
      });
      return { configurationKey: asked.filter(known).map(entry), unknownKey: asked.filter((name) => !known(name)) };
    },
    ChangeConfiguration({ key, value }) {
      if (READ_ONLY.includes(key)) return { status: "Rejected" };
      if (!this.device.settings.has(key)) return { status: "NotSupported" };
      this.device.settings.set(key, value);
      return { status: "Accepted" };
    },
    ChangeAvailability({ connectorId, type }) {
      const outlets = connectorId ? [connectorId] : this.device.outlets;
      if (!this.device.change(outlets, type === "Operative")) return { status: "Rejected" };
      this.device.after(async () => {
        for (const outlet of outlets) await this.status(outlet);
      });
      return { status: "Accepted" };
    },
    UnlockConnector({ connectorId }) {
      return { status: this.device.outlets.includes(connectorId) ? "Unlocked" : "NotSupported" };
    },
    RemoteStartTransaction({ connectorId, idTag }) {
      if (!this.device.plugged.has(connectorId)) return { status: "Rejected" };
      this.device.after(() => this.begin(connectorId, idTag));
      return { status: "Accepted" };
    },
    RemoteStopTransaction({ transactionId }) {
      if (!this.transactions.has(transactionId)) return { status: "Rejected" };
      this.device.after(() => this.end(transactionId));
      return { status: "Accepted" };
    },
    Reset() {
      this.device.registered = false;
      this.device.after(() => this.device.restart());
      return { status: "Accepted" };
    },
    TriggerMessage(params) {
      return this.trigger(params);
    },
    ExtendedTriggerMessage(params) {
      return this.trigger(params);
    },
    GetInstalledCertificateIds() {
      const found = this.device.credentials.hashes();
      return found.length ? { status: "Accepted", certificateHashData: found } : { status: "NotFound" };
    },
    InstallCertificate({ certificate }) {
      return { status: this.device.credentials.install(certificate) ? "Accepted" : "Rejected" };
    },
    DeleteCertificate(params) {
      return this.device.deleteRoot(params);
    },
    CertificateSigned(params) {
      return this.device.certificateSigned(params);
    },
    ClearCache: () => ({ status: "Accepted" }),
    ClearChargingProfile: () => ({ status: "Unknown" }),
    GetLocalListVersion() {
      return { listVersion: this.device.listVersion };
    },
    SendLocalList({ listVersion, localAuthorizationList }) {
      this.device.listVersion = localAuthorizationList?.length ? listVersion : 0;
      return { status: "Accepted" };
    },
  };
}
