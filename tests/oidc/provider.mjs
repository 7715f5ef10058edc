// An OpenID provider on a loopback port. Arguments: the folder whose packages it uses, and its
// configuration as JSON: {port, jwks, algorithm, tokenSeconds, client: {id, secret}, audiences}.
// It issues JWT access tokens (RFC 9068) for the client's credentials, for each of the audiences.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, text] = process.argv.slice(2);
const { port, jwks, algorithm, tokenSeconds, client, audiences } = JSON.parse(text);
const installed = createRequire(`${folder}/`).resolve("oidc-provider");
const { default: Provider, errors } = await import(pathToFileURL(installed));

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks,
  clients: [
    {
      client_id: client.id,
      client_secret: client.secret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: algorithm,
    },
  ],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, audience) => {
        if (!audiences.includes(audience)) throw new errors.InvalidTarget();
        return {
          scope: "",
          audience,
          accessTokenTTL: tokenSeconds,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: algorithm } },
        };
      },
    },
  },
});

provider.listen(port, "127.0.0.1", () => console.log("listening"));
