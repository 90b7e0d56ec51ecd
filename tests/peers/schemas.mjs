// Strict mode for OCPP 2.1: this release of the stack carries the schemas, but under names that it does not look for.
import { createRequire } from "node:module";
import rpc from "ocpp-rpc";

const schemas = createRequire(import.meta.url)("ocpp-rpc/lib/schemas/ocpp2_1.json");
const named = schemas.map((schema) => ({
  ...schema,
  $id: schema.$id.replace(/Request$/, ".req").replace(/Response$/, ".conf"),
}));

export const strictModeValidators = [rpc.createValidator("ocpp2.1", named)];
