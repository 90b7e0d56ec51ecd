// Keys, certificates and trusted roots of a station; made and judged by openssl and node's own X.509, nothing of ours.
import { execFileSync } from "node:child_process";
import { X509Certificate, createPrivateKey, generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const openssl = (...args) => execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const certificates = (pem) => pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

export class Credentials {
  constructor({ directory, ca, cert, key }) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
    this.roots = certificates(readFileSync(ca, "utf8"));
    this.chain = cert ? readFileSync(cert, "utf8") : undefined;
    this.key = key ? readFileSync(key, "utf8") : undefined;
  }

  files() {
    return { ca: this.roots, cert: this.chain, key: this.key };
  }

  // A request for a new key beside the one in use (PEM).
  request(organization, name) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.nextKey = privateKey.export({ type: "pkcs8", format: "pem" });
    const file = this.file("next.key", this.nextKey);
    const subject = (organization ? `/O=${organization}` : "") + `/CN=${name}`;
    return openssl("req", "-new", "-sha256", "-key", file, "-subj", subject);
  }

  // Whether a chain is for the key that was asked for; it is used from the next start on.
  offer(chain) {
    const [leaf] = certificates(chain);
    if (!leaf || !this.nextKey) return false;
    const fits = new X509Certificate(leaf).checkPrivateKey(createPrivateKey(this.nextKey));
    if (fits) this.nextChain = chain;
    return fits;
  }

  switch() {
    if (!this.nextChain) return;
    [this.chain, this.key, this.nextChain, this.nextKey] = [this.nextChain, this.nextKey];
  }

  install(pem) {
    const [root] = certificates(pem);
    if (root && !this.roots.includes(root)) this.roots.push(root);
    return Boolean(root);
  }

  remove(wanted) {
    const same = (hash) => ["issuerNameHash", "issuerKeyHash", "serialNumber"].every((n) => hash[n] === wanted[n].toLowerCase());
    const left = this.roots.filter((root) => !same(this.hash(root)));
    const found = left.length < this.roots.length;
    this.roots = left;
    return found;
  }

  hashes() {
    return this.roots.map((root) => this.hash(root));
  }

  hash(root) {
    const file = this.file("root.pem", root);
    const told = openssl("ocsp", "-no_nonce", "-sha256", "-issuer", file, "-cert", file, "-req_text");
    const value = (name) => told.match(new RegExp(`${name}: ([0-9A-F]+)`))[1].toLowerCase();
    return {
      hashAlgorithm: "SHA256",
      issuerNameHash: value("Issuer Name Hash"),
      issuerKeyHash: value("Issuer Key Hash"),
      serialNumber: value("Serial Number").replace(/^0+/, ""),
    };
  }

  file(name, text) {
    const path = join(this.directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }
}
