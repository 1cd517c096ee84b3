// An OpenID issuer on loopback that does what lines on standard input say, and tells each result as a line of JSON.
//   start ALGORITHM [PORT]   a new issuer with one key; one that ran before is gone with its keys
//   add ALGORITHM            one more key beside the others
import { createInterface } from "node:readline";
import { OAuth2Server } from "oauth2-mock-server";

let server;
for await (const line of createInterface({ input: process.stdin })) {
  const [order, algorithm, port] = line.split(" ");
  if (order === "start") {
    if (server) await server.stop();
    server = new OAuth2Server();
    await server.issuer.keys.generate(algorithm);
    // by itself it names an audience only in tokens without a subject
    server.service.on("beforeTokenSigning", (token, request) => {
      token.payload.aud = request.body.aud;
    });
    await server.start(Number(port ?? 0), "127.0.0.1");
  } else {
    await server.issuer.keys.generate(algorithm);
  }
  console.log(JSON.stringify({ issuer: server.issuer.url, port: server.address().port }));
}
await server?.stop();
