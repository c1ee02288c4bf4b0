// Holds the manifests to the schemas that their projects publish: values by the schemas themselves,
// names that no schema knows by TypeScript, which refuses them in literals of the schemas' types.
//
//   node check-manifests.mjs REPOSITORY    beside the node_modules of package.json

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

const FOLDERS = ["istio", "envoy-gateway", "higress"];
const SCHEMAS = {
  "extensions.istio.io/v1alpha1": "@kubernetes-models/istio/extensions.istio.io/v1alpha1",
  "gateway.envoyproxy.io/v1alpha1":
    "@kubernetes-models/envoy-gateway/gateway.envoyproxy.io/v1alpha1",
  "gateway.networking.k8s.io/v1": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1",
  "networking.istio.io/v1": "@kubernetes-models/istio/networking.istio.io/v1",
  "networking.istio.io/v1alpha3": "@kubernetes-models/istio/networking.istio.io/v1alpha3",
};
// Higress publishes none.
const WITHOUT_SCHEMA = ["extensions.higress.io/v1alpha1", "networking.higress.io/v1"];

const root = join(process.argv[2], "envoy");
const imports = [];
const literals = [];
const mistakes = [];

for (const resource of FOLDERS.flatMap(resourcesOf)) {
  const { file, content } = resource;
  const { apiVersion, kind, ...rest } = content;
  const place = `${file}: ${kind} ${rest.metadata.name}`;
  if (WITHOUT_SCHEMA.includes(apiVersion)) continue;
  const models = await import(SCHEMAS[apiVersion]);
  try {
    new models[kind](rest).validate();
  } catch (error) {
    mistakes.push(`${place}: ${error.message}`);
  }
  const n = literals.length;
  imports.push(`import type { I${kind} as T${n} } from "${SCHEMAS[apiVersion]}";`);
  literals.push(`// ${place}\nexport const v${n}: T${n} = ${JSON.stringify(content, null, 1)};`);
}

writeFileSync("manifests.ts", [...imports, ...literals, ""].join("\n"));
const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"];
try {
  const tsc = join("node_modules", "typescript", "bin", "tsc");
  const modules = ["--module", "esnext", "--moduleResolution", "bundler"];
  execFileSync(process.execPath, [tsc, ...options, ...modules, "manifests.ts"], {
    encoding: "utf8",
  });
} catch (error) {
  mistakes.push(error.stdout);
}
for (const mistake of mistakes) console.error(mistake);
console.log(`${literals.length} resources checked`);
process.exitCode = mistakes.length > 0 ? 1 : 0;

// The resources in a folder's files; patches of Deployments, which have no kind, are none.
function resourcesOf(folder) {
  const files = readdirSync(join(root, folder)).map((name) => join(folder, name));
  return files.flatMap((file) =>
    parseAllDocuments(readFileSync(join(root, file), "utf8"))
      .map((document) => ({ file, content: document.toJS() }))
      .filter(({ content }) => content.kind),
  );
}
