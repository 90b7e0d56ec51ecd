// OCPP 2.0.1 and 2.1, as this station speaks them; in 2.1 it tells the state of its outlets by NotifyEvent (G01).
import { randomUUID } from "node:crypto";

const ITEMS = 8; // variables in one NotifyReport
const SECRET = ["SecurityCtrlr.BasicAuthPassword"];
const READ_ONLY = ["SecurityCtrlr.MaxCertificateChainSize", "SecurityCtrlr.SecurityProfile"];
const DEFAULTS = {
  "OCPPCommCtrlr.HeartbeatInterval": "60",
  "OCPPCommCtrlr.WebSocketPingInterval": "30",
  "SecurityCtrlr.OrganizationName": "",
  "SecurityCtrlr.MaxCertificateChainSize": "10000",
  "SecurityCtrlr.SecurityProfile": "3",
  "AlignedDataCtrlr.Measurands": "Energy.Active.Import.Register",
  "SampledDataCtrlr.TxUpdatedMeasurands": "Energy.Active.Import.Register",
  "ClockCtrlr.TimeSource": "Heartbeat",
};
const nameOf = ({ component, variable }) => (component.evse ? "" : `${component.name}.${variable.name}`);

export class V20 {
  constructor(device) {
    this.device = device;
    this.transactions = new Map();
    this.events = 0;
    device.settings = new Map([...Object.entries(DEFAULTS), ...device.settings]);
  }

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
      reason: this.device.reason,
      chargingStation: { vendorName: config.vendor, model: config.model, serialNumber: config.serial, firmwareVersion: config.firmware, ...config.boot },
    });
    this.device.setClock(answer.currentTime);
    this.device.registered = answer.status === "Accepted";
    if (this.device.registered) {
      await this.device.call("SecurityEventNotification", { type: "StartupOfTheDevice", timestamp: this.device.now() });
      await this.report();
    }
  }

  async report() {
    for (const outlet of this.device.outlets) await this.status(outlet);
  }

  status(outlet) {
    const said = this.device.state(outlet, "Occupied");
    if (this.device.config.version === "ocpp2.1") return this.event(outlet, said);
    return this.device.call("StatusNotification", { timestamp: this.device.now(), connectorStatus: said, evseId: outlet, connectorId: 1 });
  }

  event(outlet, actualValue) {
    const timestamp = this.device.now();
    const eventData = {
      eventId: ++this.events,
      timestamp,
      trigger: "Delta",
      actualValue,
      eventNotificationType: "HardWiredNotification",
      component: { name: "Connector", evse: { id: outlet, connectorId: 1 } },
      variable: { name: "AvailabilityState" },
    };
    return this.device.call("NotifyEvent", { generatedAt: timestamp, seqNo: 0, tbc: false, eventData: [eventData] });
  }

  async meter(outlet) {
    const measurands = this.device.settings.get("AlignedDataCtrlr.Measurands").split(",");
    const units = { "Energy.Active.Import.Register": "Wh", "Power.Active.Import": "W", "Current.Import": "A", Voltage: "V" };
    const sampledValue = measurands.map((measurand) => ({ value: 0, measurand, context: "Trigger", ...(units[measurand] && { unitOfMeasure: { unit: units[measurand] } }) }));
    await this.device.call("MeterValues", { evseId: outlet, meterValue: [{ timestamp: this.device.now(), sampledValue }] });
  }

  async signCertificate() {
    const csr = this.device.credentials.request(this.device.settings.get("SecurityCtrlr.OrganizationName"), this.device.config.serial);
    this.asked = this.device.config.version === "ocpp2.1" ? { requestId: ++this.events } : {};
    await this.device.call("SignCertificate", { csr, certificateType: "ChargingStationCertificate", ...this.asked });
  }

  transaction(id, eventType, more) {
    const { seqNo, outlet } = this.transactions.get(id);
    this.transactions.get(id).seqNo += 1;
    return this.device.call("TransactionEvent", {
      eventType,
      timestamp: this.device.now(),
      seqNo,
      evse: { id: outlet, connectorId: 1 },
      ...more,
      transactionInfo: { transactionId: id, ...more.transactionInfo },
    });
  }

  async begin(outlet, remoteStartId, idToken) {
    const id = randomUUID();
    this.transactions.set(id, { seqNo: 0, outlet });
    const answer = await this.transaction(id, "Started", {
      triggerReason: "RemoteStart",
      idToken,
      transactionInfo: { chargingState: "EVConnected", remoteStartId },
    });
    if (answer.idTokenInfo?.status !== "Accepted") return this.finish(id, "DeAuthorized", "Deauthorized");
    return this.transaction(id, "Updated", { triggerReason: "ChargingStateChanged", transactionInfo: { chargingState: "Charging" } });
  }

  async finish(id, stoppedReason, triggerReason) {
    const { outlet } = this.transactions.get(id);
    await this.transaction(id, "Ended", { triggerReason, transactionInfo: { stoppedReason } });
    this.transactions.delete(id);
    await this.status(outlet);
  }

  accepted(method, { setVariableData }) {
    if (method !== "SetVariables") return { status: "Accepted" };
    return { setVariableResult: setVariableData.map(({ component, variable }) => ({ component, variable, attributeStatus: "Accepted" })) };
  }

  async inventory(requestId) {
    const reportData = [...this.device.settings.keys(), ...SECRET].map((name) => {
      const [component, variable] = name.split(".");
      const secret = SECRET.includes(name);
      const attribute = secret ? { mutability: "WriteOnly" } : { value: this.device.settings.get(name), mutability: READ_ONLY.includes(name) ? "ReadOnly" : "ReadWrite" };
      return {
        component: { name: component },
        variable: { name: variable },
        variableAttribute: [attribute],
        variableCharacteristics: { dataType: "string", supportsMonitoring: false },
      };
    });
    for (let start = 0; start < reportData.length; start += ITEMS) {
      const part = { requestId, generatedAt: this.device.now(), seqNo: start / ITEMS, tbc: start + ITEMS < reportData.length };
      await this.device.call("NotifyReport", { ...part, reportData: reportData.slice(start, start + ITEMS) });
    }
  }

  commands = {
    GetBaseReport({ requestId, reportBase }) {
      if (reportBase !== "FullInventory") return { status: "NotSupported" };
      this.device.after(() => this.inventory(requestId));
      return { status: "Accepted" };
    },
    GetVariables({ getVariableData }) {
      const get = ({ component, variable }) => {
        const name = nameOf({ component, variable });
        if (SECRET.includes(name)) return { component, variable, attributeStatus: "Rejected" };
        const value = this.device.settings.get(name);
        if (value === undefined) return { component, variable, attributeStatus: "UnknownVariable" };
        return { component, variable, attributeStatus: "Accepted", ...(value && { attributeValue: value }) };
      };
      return { getVariableResult: getVariableData.map(get) };
    },
    SetVariables({ setVariableData }) {
      const set = ({ component, variable, attributeValue }) => {
        const name = nameOf({ component, variable });
        if (READ_ONLY.includes(name)) return { component, variable, attributeStatus: "Rejected" };
        if (!this.device.settings.has(name)) return { component, variable, attributeStatus: "UnknownVariable" };
        this.device.settings.set(name, attributeValue);
        return { component, variable, attributeStatus: "Accepted" };
      };
      return { setVariableResult: setVariableData.map(set) };
    },
    ChangeAvailability({ operationalStatus, evse }) {
      const outlets = evse ? [evse.id] : this.device.outlets;
      if (!this.device.change(outlets, operationalStatus === "Operative")) return { status: "Rejected" };
      this.device.after(async () => {
        for (const outlet of outlets) await this.status(outlet);
      });
      return { status: "Accepted" };
    },
    UnlockConnector({ evseId }) {
      return { status: this.device.outlets.includes(evseId) ? "Unlocked" : "UnknownConnector" };
    },
    RequestStartTransaction({ evseId, remoteStartId, idToken }) {
      if (!this.device.plugged.has(evseId)) return { status: "Rejected" };
      this.device.after(() => this.begin(evseId, remoteStartId, idToken));
      return { status: "Accepted" };
    },
    RequestStopTransaction({ transactionId }) {
      if (!this.transactions.has(transactionId)) return { status: "Rejected" };
      this.device.after(() => this.finish(transactionId, "Remote", "RemoteStop"));
      return { status: "Accepted" };
    },
    Reset() {
      this.device.registered = false;
      this.device.after(() => this.device.restart());
      return { status: "Accepted" };
    },
    TriggerMessage({ requestedMessage, evse }) {
      const outlets = evse ? [evse.id] : this.device.outlets;
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
        SignChargingStationCertificate: () => this.signCertificate(),
      };
      if (!jobs[requestedMessage]) return { status: "NotImplemented" };
      this.device.after(jobs[requestedMessage]);
      return { status: "Accepted" };
    },
    GetInstalledCertificateIds() {
      const chain = this.device.credentials.hashes().map((certificateHashData) => ({ certificateType: "CSMSRootCertificate", certificateHashData }));
      return chain.length ? { status: "Accepted", certificateHashDataChain: chain } : { status: "NotFound" };
    },
    InstallCertificate({ certificate }) {
      return { status: this.device.credentials.install(certificate) ? "Accepted" : "Rejected" };
    },
    DeleteCertificate(params) {
      return this.device.deleteRoot(params);
    },
    CertificateSigned(params) {
      // A02 of 2.1: the number of the request says which one is answered.
      if (params.requestId !== this.asked?.requestId) return { status: "Rejected" };
      return this.device.certificateSigned(params);
    },
    ClearCache: () => ({ status: "Accepted" }),
    ClearChargingProfile: () => ({ status: "Unknown" }),
    GetLocalListVersion() {
      return { versionNumber: this.device.listVersion };
    },
    SendLocalList({ versionNumber, localAuthorizationList }) {
      this.device.listVersion = localAuthorizationList?.length ? versionNumber : 0;
      return { status: "Accepted" };
    },
  };
}
